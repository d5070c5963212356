package windows

import (
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
)

// diagnosis is what standard error says, in one line of at most 300
// characters. Windows PowerShell writes it as CLIXML. Nothing is decided by it.
func diagnosis(stderr string) string {
	text := stderr
	if i := strings.Index(stderr, "#< CLIXML"); i >= 0 {
		text = cliXMLErrors(stderr[i+len("#< CLIXML"):])
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:299]) + "…"
	}
	return text
}

// cliXMLErrors joins the strings of the error stream. What is damaged ends it.
func cliXMLErrors(doc string) string {
	var b strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(doc))
	for {
		token, err := decoder.Token()
		if err != nil {
			return b.String()
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "S" || !hasAttr(start, "S", "Error") {
			continue
		}
		var text string
		if decoder.DecodeElement(&text, &start) != nil {
			return b.String()
		}
		b.WriteString(unescapeCLIXML(text))
	}
}

func hasAttr(e xml.StartElement, name, value string) bool {
	for _, a := range e.Attr {
		if a.Name.Local == name && strings.EqualFold(a.Value, value) {
			return true
		}
	}
	return false
}

var cliXMLEscape = regexp.MustCompile(`_x([0-9A-Fa-f]{4})_`)

// unescapeCLIXML reads "_x000A_", the way in which control characters are written.
func unescapeCLIXML(text string) string {
	return cliXMLEscape.ReplaceAllStringFunc(text, func(code string) string {
		n, err := strconv.ParseUint(code[2:6], 16, 16)
		if err != nil {
			return code
		}
		return string(rune(n))
	})
}
