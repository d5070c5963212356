package projects

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// yamlBreaks are what YAML takes for the end of a line beside "\n". Lines are
// counted as the YAML library counts them.
var yamlBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// withBreaks is text with "\n" for every break. Few files have others, and
// looking is quicker than replacing.
func withBreaks(text string) string {
	for _, other := range []string{"\r", "\u0085", "\u2028", "\u2029"} {
		if strings.Contains(text, other) {
			return yamlBreaks.Replace(text)
		}
	}
	return text
}

// readYAML reads one document that has the given shape. Every error is noted
// with its place; false means that the file holds nothing usable. A file with
// problems may still give a value: it serves to find further problems.
func (f *file) readYAML(data []byte, s *shape) (value, bool) {
	f.text = withBreaks(string(data))
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		f.whole().refuse("look for what is no text", "cannot be read as YAML")
		return value{}, false
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		f.whole().refuse("declare something, or delete the file", "the file is empty")
		return value{}, false
	case err != nil:
		f.syntax(err)
		return value{}, false
	}
	switch err := loader.Load(&second); {
	case err == nil:
		place{f, second.Line, 1}.refuse("one document a file: move it to a file of its own", "a second document begins here")
	case !errors.Is(err, io.EOF):
		f.syntax(err)
	}
	if len(doc.Content) != 1 || isNull(doc.Content[0]) {
		f.whole().refuse("declare something, or delete the file", "the file is empty")
		return value{}, false
	}
	return f.decode(doc.Content[0], s)
}

// syntax notes what the YAML library could not read, in its words.
func (f *file) syntax(err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		f.whole().refuse("look for what is no text", "cannot be read as YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	message := load.Message
	if load.ContextMsg != "" {
		message += " " + load.ContextMsg
	}
	at := place{f, load.Mark.Line, load.Mark.Column}
	if last := strings.Count(strings.TrimRight(f.text, "\n"), "\n") + 1; at.line > last {
		at = place{f, last, 1} // it was the end that it did not expect
	}
	if strings.Contains(message, "anchor") {
		at.refuse("write the value out: aliases are refused", "cannot be read as YAML: %s", message)
		return
	}
	at.refuse("look at indentation, quotes and brackets, here and on the line before", "cannot be read as YAML: %s", message)
}

// decode checks a node against a shape, all of it: an error in one key does not
// hide the next one.
func (f *file) decode(n *yaml.Node, s *shape) (value, bool) {
	at := place{f, n.Line, n.Column}
	switch {
	case n.Kind == yaml.AliasNode:
		at.refuse("write the value out", "aliases are refused: a few lines of them can unfold into gigabytes")
	case n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0, strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!"):
		at.refuse("remove the tag", "YAML tags such as %s are refused", n.Tag)
	case s.kind == free:
		return f.decodeFree(n)
	case isNull(n):
		at.refuse("remove the key, or give it a value", "the value is missing")
	case s.short != nil && n.Kind == yaml.ScalarNode:
		return f.decode(n, s.short)
	case s.kind == object && n.Kind == yaml.MappingNode:
		return f.decodeObject(n, s)
	case s.kind == list && n.Kind == yaml.SequenceNode:
		return f.decodeList(n, s)
	case s.kind == list && s.elem.kind == text && n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return s.splitScalar(at, n.Value)
	case s.kind == list || s.kind == object || n.Kind != yaml.ScalarNode:
		at.refuse(s.example(), "%s is wanted here, not %s", s.word(), nodeWord(n))
	case s.kind == text && n.Tag != "!!str" && n.Tag != "!!timestamp":
		at.refuse("put it in quotes", "%s is wanted here, not %s", s.word(), nodeWord(n))
	case s.kind == label && n.Tag != "!!str" && n.Tag != "!!int":
		at.refuse("put it in quotes", "%s is wanted here, not %s", s.word(), nodeWord(n))
	default:
		return s.scalar(at, n.Value)
	}
	return value{place: at}, false
}

func (f *file) decodeObject(n *yaml.Node, s *shape) (value, bool) {
	v := value{place: place{f, n.Line, n.Column}, inside: f.values.inside(len(n.Content) / 2)}
	ok, seen := true, keysSeen(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, at := n.Content[i].Value, place{f, n.Content[i].Line, n.Content[i].Column}
		if twin := seen.before(i); twin != nil {
			at.refuse("keep one of the two", "key %q is already on line %d", name, twin.Line)
			ok = false
			continue
		}
		inner := s.keyShape(n.Content[i], at)
		if inner == nil {
			ok = false
			continue
		}
		field, good := f.decode(n.Content[i+1], inner)
		ok = ok && good
		if good || inner.kind == list && inner.elem.kind == object {
			v.put(name, field)
		} else {
			v.bad = append(v.bad, name)
		}
	}
	for _, k := range s.keys {
		if k.required && !hasKey(n, k.name) {
			v.refuse("add "+k.name+":", "key %q is missing", k.name)
			ok = false
		}
	}
	return v, ok
}

// seenKeys finds keys of a mapping that stand in it twice.
type seenKeys struct {
	content []*yaml.Node
	keys    map[string]*yaml.Node // nil where they are few: looking them through is quicker
}

func keysSeen(n *yaml.Node) seenKeys {
	seen := seenKeys{content: n.Content}
	if len(n.Content) > 2*manyKeys {
		seen.keys = make(map[string]*yaml.Node, len(n.Content)/2)
	}
	return seen
}

// before is the same key as the i-th node further up, or nil. It is asked for each in turn.
func (s seenKeys) before(i int) *yaml.Node {
	key := s.content[i]
	if s.keys != nil {
		twin := s.keys[key.Value]
		if twin == nil {
			s.keys[key.Value] = key
		}
		return twin
	}
	for j := 0; j < i; j += 2 {
		if s.content[j].Value == key.Value {
			return s.content[j]
		}
	}
	return nil
}

func hasKey(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

// keyShape is the shape of what follows a key, or nil where the key is refused.
func (s *shape) keyShape(n *yaml.Node, at place) *shape {
	name := n.Value
	known := s.find(name)
	switch {
	case n.Kind == yaml.AliasNode || n.Tag == "!!merge":
		at.refuse("write the keys out", "aliases and merge keys are refused")
	case n.Kind != yaml.ScalarNode || isNull(n):
		at.refuse("write the key as one word before the colon", "a key must be a plain word")
	case known != nil:
		return known.shape
	case s.rest == nil:
		at.refuse(suggest(name, s.names()), "unknown key %q", name)
	case s.name != nil && !s.name.match(name):
		s.name.refuse(at, name)
	default:
		return s.rest
	}
	return nil
}

// decodeList leaves out the items that were refused: the others may have errors
// of their own to tell.
func (f *file) decodeList(n *yaml.Node, s *shape) (value, bool) {
	v, ok := value{place: place{f, n.Line, n.Column}, inside: &inside{list: make([]value, 0, len(n.Content))}}, true
	for _, c := range n.Content {
		item, good := f.decode(c, s.elem)
		if ok = ok && good; good {
			v.list = append(v.list, item)
		}
	}
	return v, ok
}

// splitScalar reads "a, b" as a list, as older files and roster cells write it.
func (s *shape) splitScalar(at place, written string) (value, bool) {
	v, ok := value{place: at, inside: &inside{}}, true
	words := splitList(written)
	if len(words) == 0 {
		at.refuse("remove the key, or give it a value", "the value is empty")
		return v, false
	}
	for _, word := range words {
		item, good := s.elem.scalar(at, word)
		ok = ok && good
		v.list = append(v.list, item)
	}
	return v, ok
}

// decodeFree accepts anything but aliases; only Ansible reads it.
func (f *file) decodeFree(n *yaml.Node) (value, bool) {
	v, ok := value{place: place{f, n.Line, n.Column}, text: n.Value}, true
	for _, c := range n.Content {
		_, good := f.decode(c, anything)
		ok = ok && good
	}
	return v, ok
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// nodeWord says what a node is, for messages.
func nodeWord(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the truth value " + n.Value
	default:
		return "a text"
	}
}
