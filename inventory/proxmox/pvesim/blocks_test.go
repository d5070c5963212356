package pvesim_test

import (
	"os"
	"strings"
	"testing"
)

// A block is one recorded exchange: a request and its answer, or several that
// were sent at the same time; then how their tasks ended. A line with "@" is
// what happened to the server in between without the API.
type block struct {
	id        string
	before    []string // directives
	exchanges []exchange
	exits     []string
	task      string // whose end came later: its recorded UPID
	file      string // a guest's file, printed on the node
}

type exchange struct {
	method, path, who, params string
	status, body              string
}

// readBlocks reads testdata/recordings.txt.
func readBlocks(t *testing.T) []block {
	t.Helper()
	text, err := os.ReadFile("testdata/recordings.txt")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	var before []string
	for part := range strings.SplitSeq("\n"+string(text), "\n=== ") {
		lines := strings.Split(strings.TrimRight(part, "\n"), "\n")
		b := block{id: lines[0], before: before}
		before = nil
		for i := 1; i < len(lines); i++ {
			switch l := lines[i]; {
			case strings.HasPrefix(l, "#"), l == "":
			case strings.HasPrefix(l, "@"):
				before = append(before, l)
				for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t") {
					i++
					before[len(before)-1] += "\n" + lines[i][1:]
				}
			case strings.HasPrefix(l, "task "):
				b.exits = append(b.exits, l[5:])
			case strings.HasPrefix(l, "TASK "):
				b.task = l[5:]
			case l == "FILE":
				b.file = strings.Join(lines[i+1:], "\n")
				if j := strings.Index(b.file, "\n\n"); j >= 0 {
					b.file = b.file[:j]
				}
				i += strings.Count(b.file, "\n") + 1
			default:
				w := strings.SplitN(l, " ", 4)
				w = append(w, "", "")
				b.exchanges = append(b.exchanges, exchange{w[0], w[1], w[2], w[3], lines[i+1], lines[i+2]})
				i += 2
			}
		}
		if b.id != "" {
			blocks = append(blocks, b)
		}
	}
	return blocks
}
