package trust

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func schemaOf(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(kind)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(kind, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the decoder knows the schema knows, and neither knows more.
func TestSchemas(t *testing.T) {
	for _, kind := range Kinds() {
		schema := schemaOf(t, kind)
		text := map[string]string{"owners": ownersText, "signers": signersText}[kind]
		lena := newSSH(t, 1)
		keys := []string{allowedFile, "camille,lena,forge " + lena.public()}
		agree := func(text string, want bool) {
			t.Helper()
			var value any
			if err := yaml.Load([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			_, problems := Read(tree(append([]string{"policies/" + kind + ".yaml", text}, keys...)...))
			if err := schema.Validate(value); (err == nil) != want || (len(problems) == 0) != want {
				t.Errorf("%s: the schema says %v, the decoder %v\n%s", kind, err, problems, text)
			}
		}
		agree(text, true)
		for i, line := range strings.SplitAfter(text, "\n") {
			key, _, _ := strings.Cut(strings.TrimLeft(line, "- "), ":")
			if key == "" || key == "apiVersion" || key == "kind" || key == "rules" {
				continue
			}
			lines := strings.SplitAfter(text, "\n")
			lines[i] = strings.Replace(line, key+":", key+"x:", 1)
			agree(strings.Join(lines, ""), false)
		}
	}
	if Schema("nonsense") != nil {
		t.Error("a kind that there is not has a schema")
	}
}
