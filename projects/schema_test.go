package projects

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

var shapes = map[string]*shape{"project": projectShape, "cohort": cohortShape, "campus": campusShape}

// compileSchema has an independent library read what we print.
func compileSchema(t testing.TB, kind string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(kind)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(kind+".json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(kind + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// accepted reports whether the schema takes a YAML text, read as editors do.
func accepted(t testing.TB, schema *jsonschema.Schema, text string) bool {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return false
	}
	data, err := json.Marshal(v)
	if err != nil {
		return false
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc) == nil
}

// decoded reports whether the decoder takes a text, before anything is asked of
// what it means beside other files.
func decoded(kind, text string) bool {
	f := &file{path: "x.yaml"}
	_, ok := f.readYAML([]byte(text), shapes[kind])
	return ok && len(f.problems) == 0
}

func TestSchemasAreGolden(t *testing.T) {
	for _, kind := range Kinds() {
		golden(t, "testdata/"+kind+".schema.json", string(Schema(kind)))
	}
	if Schema("spaceship") != nil {
		t.Error("a kind that is none has a schema")
	}
}

// TestSchemaAgreesOnCorpus holds schema and decoder against the same files, good
// and bad.
func TestSchemaAgreesOnCorpus(t *testing.T) {
	good := map[string]string{"example/campus/campus.yaml": "campus", "testdata/campus.yaml": "campus"}
	for _, kind := range []string{"project", "cohort"} {
		paths, err := filepath.Glob("example/campus/" + kind + "s/*.yaml")
		if err != nil || len(paths) == 0 {
			t.Fatal("no files", err)
		}
		for _, path := range paths {
			good[path] = kind
		}
	}
	for path, kind := range good {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if s, d := accepted(t, compileSchema(t, kind), string(data)), decoded(kind, string(data)); !s || !d {
			t.Errorf("%s: schema accepts %v, decoder %v", path, s, d)
		}
	}
	for _, c := range []struct{ kind, text string }{
		{"project", "{}"}, {"project", "[]"}, {"project", "cluster: 3"}, {"project", "cluster: ''"}, {"project", "cluster: cri\nct: {}"},
		{"project", "cluster: cri\nct: [{}]"}, {"project", "cluster: cri\nct: [{hostname: a, memory: x}]"},
		{"project", "cluster: cri\nct: [{hostname: a, memory: 1}]"}, {"project", "cluster: cri\nct: [{hostname: a, power: on}]"},
		{"project", "cluster: cri\nct: [{hostname: A}]"}, {"project", "cluster: cri\nct: [{hostname: a, mac: zz}]"},
		{"project", "cluster: cri\nct: [{hostname: a, adopt: {}}]"}, {"project", "cluster: cri\nct: [{hostname: a, txt: {'A b': c}}]"},
		{"project", "cluster: cri\nct: [{hostname: a, onboot: maybe}]"}, {"project", "cluster: cri\nct: [{hostname: a, base: 1.5}]"},
		{"project", "cluster: cri\nct: [{hostname: a, cores: true}]"}, {"project", "cluster: cri\nansible: {tags: [a]}"},
		{"project", "cluster: cri\nct: [{hostname: a, description: }]"}, {"project", "cluster: cri\napiVersion: provost/v2"},
		{"cohort", "apiVersion: provost/v1\nkind: Cohort\ncluster: cri"}, {"cohort", "apiVersion: provost/v1\nkind: Project\ncluster: cri\ntemplate: {}"},
		{"cohort", "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate: {kind: box}"},
		{"cohort", "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate: {ip: 10.0.0.1}"},
		{"cohort", "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate: {}\nstudents: [{name: Ada}]"},
		{"cohort", "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate: {}\nflavours: {'a b': {}}"},
		{"campus", "apiVersion: provost/v1\nkind: Campus\nname: x"}, {"campus", "apiVersion: provost/v1\nkind: Campus\nname: X\nclusters: {}"},
		{"campus", "apiVersion: provost/v1\nkind: Campus\nname: x\nclusters: {a: {vmids: all}}"},
		{"campus", "apiVersion: provost/v1\nkind: Campus\nname: x\nclusters: {a: {vmids: 200-300, defaults: {hostname: a}}}"},
		{"campus", "apiVersion: provost/v1\nkind: Campus\nname: x\nclusters: {}\nnetworks: {a: {cluster: c, tag: 4095}}"},
		{"campus", "apiVersion: provost/v1\nkind: Campus\nname: x\nclusters: {}\nzones: {a.fr: {}}"},
	} {
		if s, d := accepted(t, compileSchema(t, c.kind), c.text), decoded(c.kind, c.text); s || d {
			t.Errorf("%s %q: schema accepts %v, decoder %v", c.kind, c.text, s, d)
		}
	}
}

// TestPropertySchemaAgrees draws documents from keys, known and unknown, and
// values, fitting and not, and holds both against each other.
func TestPropertySchemaAgrees(t *testing.T) {
	schemas := map[string]*jsonschema.Schema{}
	for _, kind := range Kinds() {
		schemas[kind] = compileSchema(t, kind)
	}
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom(Kinds()).Draw(rt, "kind")
		data, err := json.Marshal(drawValue(rt, shapes[kind], 3))
		if err != nil {
			rt.Fatal(err)
		}
		if s, d := accepted(t, schemas[kind], string(data)), decoded(kind, string(data)); s != d {
			f := &file{path: "x"}
			f.readYAML(data, shapes[kind])
			rt.Fatalf("%s: schema accepts %v, decoder %v (%v)\n%s", kind, s, d, f.problems, data)
		}
	})
}

// drawValue draws a value that mostly fits. Quoted numbers stay inside their
// bounds: JSON Schema has no way to bound a text that looks like a number.
func drawValue(rt *rapid.T, s *shape, depth int) any {
	if rapid.IntRange(0, 24).Draw(rt, "wrong") == 0 {
		return rapid.SampledFrom([]any{nil, true, "x y", "", -1, map[string]any{"a": 1}, []any{1}, 1.5}).Draw(rt, "value")
	}
	switch s.kind {
	case whole:
		n := max(s.min, 16)
		return rapid.SampledFrom([]any{n, fmt.Sprint(n)}).Draw(rt, "number")
	case truth:
		return rapid.SampledFrom([]any{true, false, 0, 1, "true", "0"}).Draw(rt, "truth")
	case label:
		return rapid.SampledFrom([]any{"debian", 9000, "nfs:debian"}).Draw(rt, "label")
	case list:
		if depth == 0 {
			return []any{}
		}
		var items []any
		for range rapid.IntRange(0, 2).Draw(rt, "items") {
			items = append(items, drawValue(rt, s.elem, depth-1))
		}
		if items == nil {
			return []any{}
		}
		return items
	case object:
		return drawObject(rt, s, depth)
	case text:
		if s.enum != nil {
			return rapid.SampledFrom(s.enum).Draw(rt, "word")
		}
		return rapid.SampledFrom([]string{"abc", "200-300", "02:00:00:00:00:01", "nesting=1", "10.0.0.1", "Two words"}).Draw(rt, "text")
	default:
		return map[string]any{"anything": []any{1, "goes"}}
	}
}

func drawObject(rt *rapid.T, s *shape, depth int) any {
	out := map[string]any{}
	for _, k := range s.keys {
		odds := 8
		if k.required {
			odds = 1
		}
		if depth > 0 && rapid.IntRange(1, odds).Draw(rt, k.name) == 1 {
			out[k.name] = drawValue(rt, k.shape, depth-1)
		}
	}
	if s.rest != nil && depth > 0 {
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"abc", "x.fr", "A B", "_dmarc", "@"}), 0, 2, rapid.ID[string]).Draw(rt, "names") {
			out[name] = drawValue(rt, s.rest, depth-1)
		}
	}
	if rapid.IntRange(0, 30).Draw(rt, "unknown") == 0 {
		out["unknown"] = 1
	}
	return out
}

// TestEveryKeyIsDescribed: an editor shows the text.
func TestEveryKeyIsDescribed(t *testing.T) {
	var walk func(path string, s *shape)
	walk = func(path string, s *shape) {
		for _, k := range s.keys {
			if k.shape.doc == "" && k.shape.enum == nil && k.shape.rest == nil {
				t.Errorf("%s.%s has no description", path, k.name)
			}
			walk(path+"."+k.name, k.shape)
		}
		if s.elem != nil {
			walk(path+"[]", s.elem)
		}
		if s.rest != nil {
			walk(path+".*", s.rest)
		}
	}
	for kind, s := range shapes {
		walk(kind, s)
	}
}
