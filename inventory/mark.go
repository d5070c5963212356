package inventory

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Mark is the text that provost leaves on each thing it made, so that identity
// and ownership live on the things themselves and no state file is needed. It
// is one line:
//
//	provost: campus=isima key=cri/guest/vm-x vmid=20031 file=cohorts/a.yaml unit=cohort/a student=x
//
// Values are percent-encoded where they hold spaces, "=", "%" or control characters.
type Mark struct {
	Key   Key
	Owner Owner
	// Extra holds what one kind of thing must remember beyond its owner: a
	// guest its vmid, boot and rebuild, a DNS name its type and hash.
	Extra map[string]string
}

const markPrefix = "provost: "

// String is the mark's line, without a newline. The fields stand in a fixed order.
func (m Mark) String() string {
	var b strings.Builder
	b.WriteString("provost:")
	put := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + "=" + escape(value))
		}
	}
	put("campus", m.Owner.Campus)
	put("key", string(m.Key))
	for _, name := range slices.Sorted(maps.Keys(m.Extra)) {
		put(name, m.Extra[name])
	}
	put("file", m.Owner.File)
	put("unit", m.Owner.Unit)
	put("student", m.Owner.Student)
	return b.String()
}

// ParseMark reads the last line of text that is a mark. It reports false when
// there is none, or when the line is damaged: a damaged mark is no mark.
// Whose mark it is, and whether it fits the thing that carries it (a clone
// copies its source's), is for the caller to judge.
func ParseMark(text string) (Mark, bool) {
	lines := strings.Split(text, "\n")
	for _, line := range slices.Backward(lines) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), markPrefix); ok {
			m, err := parseMarkFields(rest)
			return m, err == nil
		}
	}
	return Mark{}, false
}

func parseMarkFields(s string) (Mark, error) {
	m := Mark{Extra: map[string]string{}}
	seen := map[string]bool{}
	for field := range strings.FieldsSeq(s) {
		name, raw, ok := strings.Cut(field, "=")
		value, err := url.PathUnescape(raw)
		if !ok || err != nil || name == "" || value == "" || seen[name] {
			return Mark{}, fmt.Errorf("cannot read mark field %q", field)
		}
		seen[name] = true
		switch name {
		case "campus":
			m.Owner.Campus = value
		case "key":
			m.Key = Key(value)
		case "file":
			m.Owner.File = value
		case "unit":
			m.Owner.Unit = value
		case "student":
			m.Owner.Student = value
		default:
			m.Extra[name] = value
		}
	}
	if m.Owner.Campus == "" {
		return Mark{}, fmt.Errorf("cannot read mark: it names no campus")
	}
	return m, nil
}

// StripMark returns text without its mark lines and the blank space around them:
// what a person wrote.
func StripMark(text string) string {
	var keep []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), markPrefix) {
			keep = append(keep, line)
		}
	}
	return strings.TrimSpace(strings.Join(keep, "\n"))
}

// WithMark is text followed by the mark on a line of its own.
func WithMark(text string, m Mark) string {
	if text = StripMark(text); text == "" {
		return m.String()
	}
	return text + "\n\n" + m.String()
}

// escape percent-encodes everything that could end a field or hide in a
// terminal; slashes, dots, dashes and colons stay readable.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/.-_:@+,", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
