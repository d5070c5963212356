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
	text string // text, label, whole, truth; canonical
	*inside
}

// inside is what lists and objects hold. It stands apart so that the scalars,
// which nearly all values are, stay small.
type inside struct {
	list   []value        // the items of a list, or the values of an object's keys
	keys   []string       // the object's keys in the order they are written
	bad    []string       // the object's known keys whose value was refused
	places map[string]int // of the keys, where they are many
}

// room is where the insides of many objects can stand. A campus is lists of
// objects of few keys, and a few large pieces of memory for all of them cost less
// than three small ones for each.
type room struct {
	insides []inside
	keys    []string
	values  []value
	piece   int // for how many objects, or keys, room was made the last time
}

// inside is an empty one with room for some keys.
func (r *room) inside(keys int) *inside {
	if len(r.insides) == 0 {
		r.piece = min(max(8, 2*r.piece), 512) // most files are small
		r.insides = make([]inside, r.piece)
	}
	if len(r.keys) < keys {
		n := max(keys, 2*r.piece)
		r.keys, r.values = make([]string, n), make([]value, n)
	}
	in := &r.insides[0]
	in.keys, in.list = r.keys[:0:keys], r.values[:0:keys]
	r.insides, r.keys, r.values = r.insides[1:], r.keys[keys:], r.values[keys:]
	return in
}

// manyKeys is how many keys are looked through one by one.
const manyKeys = 24

// set reports whether the value was said at all.
func (v value) set() bool { return v.file != nil }

// get is one key of an object, zero where it was not said.
func (v value) get(name string) value {
	if v.inside == nil {
		return value{}
	}
	if v.places != nil {
		if i, ok := v.places[name]; ok {
			return v.list[i]
		}
		return value{}
	}
	for i, key := range v.keys {
		if key == name {
			return v.list[i]
		}
	}
	return value{}
}

// put adds a key to an object that is being read.
func (v value) put(name string, field value) {
	v.keys, v.list = append(v.keys, name), append(v.list, field)
	if v.places == nil && len(v.keys) > manyKeys {
		v.places = make(map[string]int, 2*len(v.keys))
		for i, key := range v.keys {
			v.places[key] = i
		}
	}
	if v.places != nil {
		v.places[name] = len(v.keys) - 1
	}
}

// names are an object's keys in the order they are written.
func (v value) names() []string {
	if v.inside == nil {
		return nil
	}
	return v.keys
}

// items are those of a list.
func (v value) items() []value {
	if v.inside == nil {
		return nil
	}
	return v.list
}

// sound reports whether none of these keys was refused: whether what builds on
// them is worth reading.
func (v value) sound(names ...string) bool {
	return v.inside == nil || !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(v.bad, name) })
}

// number is the value of a whole number that the shape has checked.
func (v value) number() int {
	n, _ := strconv.Atoi(v.text)
	return n
}

// texts are the texts of a list.
func (v value) texts() []string {
	out := make([]string, len(v.items()))
	for i, item := range v.items() {
		out[i] = item.text
	}
	return out
}

// splitList cuts "a, b c" into its words.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' || r == '\n' })
}
