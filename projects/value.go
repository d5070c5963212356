package projects

import (
	"slices"
	"strconv"
	"strings"
)

// value is a checked piece of YAML, or a cell of a roster, with its place. The
// zero value stands for what was not said.
type value struct {
	place
	text   string           // text, label, whole, truth; canonical
	items  []value          // list
	fields map[string]value // object
	names  []string         // the object's keys in the order they are written
	bad    []string         // the object's known keys whose value was refused
}

// set reports whether the value was said at all.
func (v value) set() bool { return v.file != nil }

// get is one key of an object, zero where it was not said.
func (v value) get(name string) value { return v.fields[name] }

// sound reports whether none of these keys was refused: whether what builds on
// them is worth reading.
func (v value) sound(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(v.bad, name) })
}

// number is the value of a whole number that the shape has checked.
func (v value) number() int {
	n, _ := strconv.Atoi(v.text)
	return n
}

// texts are the texts of a list.
func (v value) texts() []string {
	out := make([]string, len(v.items))
	for i, item := range v.items {
		out[i] = item.text
	}
	return out
}

// splitList cuts "a, b c" into its words.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' || r == '\n' })
}
