package projects

// shape says what a piece of YAML must look like. The decoder and the JSON
// Schema are both made from it, so neither knows a key that the other does not.
type shape struct {
	kind kind
	doc  string
	enum []string // text: the only values
	min  int      // whole: bounds; max 0 means none
	max  int
	like *pattern // text: what it must match
	keys []key    // object
	// rest is the shape of an object's keys that are not in keys, for maps from
	// names of the author's choosing; name is what such a key must match.
	rest   *shape
	name   *pattern
	short  *shape          // object: a text that may stand in its place
	elem   *shape          // list
	places map[string]*key // of the keys by name
}

type kind int

const (
	text   kind = iota // a string
	label              // a string or a whole number, kept as it is written
	whole              // a whole number, quotes allowed
	truth              // true, false, 1 or 0, quotes allowed
	list               // a list; of texts also one string with commas or spaces between
	object             // a mapping
	free               // anything without aliases
)

// key is one key of an object.
type key struct {
	name     string
	shape    *shape
	required bool
}

func (s *shape) find(name string) *key { return s.places[name] }

// indexed makes the keys of a finished shape, and of all inside it, quick to find.
func indexed(s *shape) *shape {
	if s == nil || s.places != nil {
		return s
	}
	s.places = make(map[string]*key, len(s.keys))
	for i := range s.keys {
		s.places[s.keys[i].name] = &s.keys[i]
		indexed(s.keys[i].shape)
	}
	indexed(s.rest)
	indexed(s.elem)
	return s
}

// names are the known keys, for suggestions.
func (s *shape) names() []string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return names
}

// example is how the kind is written, for hints.
func (s *shape) example() string {
	switch s.kind {
	case list:
		return "write it as [one, two], or one item a line after a dash"
	case object:
		return "write it as {key: value}, or one key a line"
	default:
		return "write one value after the colon"
	}
}

// word is how the kind is called in messages.
func (s *shape) word() string {
	return [...]string{"a text", "a name or a number", "a whole number", "true or false", "a list", "a mapping", "a value"}[s.kind]
}
