package trust

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/projects"
)

// part is one field that differs between two versions of a file.
type part struct {
	path    string
	list    string // the list that its entry stands in, or ""
	entry   string // what names the entry: its login, its host name
	field   string // dotted: "template.cores", or within the entry "memory"
	value   string // what it becomes, where that is a single word
	removed bool
	flavour string // of the entry as it becomes
}

const studentsList = "students"

// entryNames are the lists of named entries that a declaration may hold, with
// the key that names one.
var entryNames = map[string]string{studentsList: "login", "ct": "hostname", "vm": "hostname"}

// difference takes the change of a file apart; false where that cannot be done
// for certain. Comments and layout are no difference.
func difference(name string, before, after projects.File) ([]part, bool) {
	if before.Refused != "" || after.Refused != "" {
		return nil, false
	}
	var parts []part
	ok := false
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml":
		a, fine := parse(before.Data)
		b, too := parse(after.Data)
		ok = fine && too && a.Kind == yaml.MappingNode && b.Kind == yaml.MappingNode && differ(a, b, "", true, &parts)
	case ".csv":
		parts, ok = rosterDifference(before.Data, after.Data)
	}
	for i := range parts {
		parts[i].path = name
	}
	return parts, ok
}

// parse reads a document that means no more than it shows: no aliases, tags,
// keys that come twice or are no words.
func parse(data []byte) (*yaml.Node, bool) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	var doc, second yaml.Node
	if loader.Load(&doc) != nil || !errors.Is(loader.Load(&second), io.EOF) {
		return nil, false
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || !plain(doc.Content[0]) {
		return nil, false
	}
	return doc.Content[0], true
}

func plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return false
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" || seen[key.Value] {
				return false
			}
			seen[key.Value] = true
		}
	}
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !plain(c) })
}

// child is what a mapping has for a key, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// index are the keys of a mapping in their order, and their values.
func index(n *yaml.Node) (keys []string, values map[string]*yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	values = make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i].Value)
		values[n.Content[i].Value] = n.Content[i+1]
	}
	return keys, values
}

// differ adds the fields in which two values differ; either may be absent. top
// is set for a file's root, whose lists have named entries. False means that
// somebody wrote what cannot be told apart.
func differ(a, b *yaml.Node, at string, top bool, parts *[]part) bool {
	if equal(a, b) {
		return true
	}
	if !isMapping(a) || !isMapping(b) {
		*parts = append(*parts, leaf(b, at))
		return true
	}
	keysA, before := index(a)
	keysB, after := index(b)
	for _, key := range union(keysA, keysB) {
		name, was, is := key, before[key], after[key]
		if at != "" {
			name = at + "." + key
		}
		if id := entryNames[key]; top && id != "" {
			if !entriesDiffer(was, is, key, id, parts) {
				return false
			}
		} else if !differ(was, is, name, false, parts) {
			return false
		}
	}
	return true
}

// isMapping holds for an absent value too: adding a mapping adds its fields.
func isMapping(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.MappingNode && len(n.Content) > 0
}

// leaf is a field that becomes n, or is removed.
func leaf(n *yaml.Node, at string) part {
	p := part{field: at, removed: n == nil}
	if n != nil && n.Kind == yaml.ScalarNode {
		p.value = n.Value
	}
	return p
}

// equal reports whether two values mean the same to whoever reads the file.
func equal(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Kind == yaml.ScalarNode && (a.Tag != b.Tag || a.Value != b.Value) || len(a.Content) != len(b.Content) {
		return false
	}
	if a.Kind != yaml.MappingNode {
		return slices.EqualFunc(a.Content, b.Content, equal)
	}
	keys, before := index(a)
	_, after := index(b)
	return !slices.ContainsFunc(keys, func(key string) bool { return !equal(before[key], after[key]) })
}

// entriesDiffer compares two lists of named entries; their order means nothing.
func entriesDiffer(a, b *yaml.Node, list, id string, parts *[]part) bool {
	was, ok := byName(a, id)
	is, fine := byName(b, id)
	if !ok || !fine {
		return false
	}
	for _, name := range union(was.names, is.names) {
		var inside []part
		keysA, before := index(was.nodes[name])
		keysB, after := index(is.nodes[name])
		for _, key := range union(keysA, keysB) {
			if !differ(before[key], after[key], key, false, &inside) {
				return false
			}
		}
		flavour := ""
		if f := after["flavour"]; f != nil {
			flavour = f.Value
		}
		for _, p := range inside {
			p.list, p.entry, p.flavour = list, name, flavour
			*parts = append(*parts, p)
		}
	}
	return true
}

// named are the entries of a list by their names, in small letters.
type named struct {
	names []string
	nodes map[string]*yaml.Node
}

func byName(n *yaml.Node, id string) (named, bool) {
	out := named{nodes: map[string]*yaml.Node{}}
	if n == nil {
		return out, true
	}
	if n.Kind != yaml.SequenceNode {
		return out, false
	}
	for _, entry := range n.Content {
		name := child(entry, id)
		if name == nil || name.Kind != yaml.ScalarNode || name.Value == "" {
			return out, false
		}
		low := strings.ToLower(name.Value)
		if out.nodes[low] != nil {
			return out, false
		}
		out.names, out.nodes[low] = append(out.names, low), entry
	}
	return out, true
}

// union is both lists, the first one's order first.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(a, name) {
			all = append(all, name)
		}
	}
	return all
}
