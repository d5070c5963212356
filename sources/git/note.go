package git

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

// note is the text of one commit's note, line by line: for each status context
// a line of JSON, and whatever others wrote.
type note struct {
	lines []line
}

type line struct {
	text   string
	status reconciler.Status // without a context when the line is not ours
}

func parseNote(data []byte) note {
	var n note
	for text := range strings.Lines(string(data)) {
		text = strings.TrimRight(text, "\n")
		l := line{text: text}
		dec := json.NewDecoder(strings.NewReader(text))
		dec.DisallowUnknownFields()
		if dec.Decode(&l.status) != nil || dec.More() {
			l.status = reconciler.Status{}
		}
		n.lines = append(n.lines, l)
	}
	return n
}

// set puts a status in the place of the one of the same context, and reports
// whether that changed anything.
func (n *note) set(s reconciler.Status) bool {
	for i, l := range n.lines {
		if l.status.Context == s.Context && s.Context != "" {
			if sources.Stands(l.status, s) {
				return false
			}
			n.lines[i] = newLine(s)
			return true
		}
	}
	n.lines = append(n.lines, newLine(s))
	return true
}

func newLine(s reconciler.Status) line {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // "2 > 1" is for people
	_ = enc.Encode(s)        // strings cannot fail
	return line{text: strings.TrimRight(text.String(), "\n"), status: s}
}

func (n note) statuses() []reconciler.Status {
	var out []reconciler.Status
	for _, l := range n.lines {
		if l.status.Context != "" {
			out = append(out, l.status)
		}
	}
	return out
}

func (n note) bytes() []byte {
	var out bytes.Buffer
	for _, l := range n.lines {
		out.WriteString(l.text)
		out.WriteByte('\n')
	}
	return out.Bytes()
}
