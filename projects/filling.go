package projects

import (
	"fmt"
	"strconv"
	"strings"
)

// filling is what {login} and its like stand for in a host name or description.
// What is empty stands for nothing, and is left as it is written.
type filling struct {
	login, name, cohort, cluster string
	n                            int // from 1; 0 where there is no count
}

// in is a text with every word filled in, once over: a name that holds braces
// is a name.
func (f filling) in(s string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	filled := make([]byte, 0, 128) // most are shorter
	for {
		before, rest, more := strings.Cut(s, "{")
		filled = append(filled, before...)
		if !more {
			return string(filled)
		}
		word, after, closed := strings.Cut(rest, "}")
		if text := f.word(word); closed && text != "" {
			filled = append(filled, text...)
			s = after
		} else {
			filled = append(filled, '{')
			s = rest
		}
	}
}

func (f filling) word(word string) string {
	switch word {
	case "login":
		return f.login
	case "name":
		return f.name
	case "cohort":
		return f.cohort
	case "cluster":
		return f.cluster
	}
	if f.n == 0 {
		return ""
	}
	switch word {
	case "n":
		return strconv.Itoa(f.n)
	case "n:02", "n:03", "n:04":
		return fmt.Sprintf("%0*d", int(word[3]-'0'), f.n)
	default:
		return ""
	}
}
