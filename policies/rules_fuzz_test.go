package policies

import (
	"testing"

	"github.com/provost-dev/provost/projects"
)

// FuzzRules: whatever stands in a .rego file is compiled or refused at a place.
func FuzzRules(f *testing.F) {
	for _, seed := range []string{
		"package provost.names\n\nimport rego.v1\n\ndeny contains {\"msg\": \"no\"} if input.plan.steps[_].key == \"x\"\n",
		"package x\nallow := http.send({\"url\": \"http://127.0.0.1\"})",
		"package provost.a\n# METADATA\n# title: [\n\ndeny contains 1 if true",
		"package provost.a\ndeny contains {\"msg\": x} if some x in numbers.range(1, 1e9)",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range Validate(projects.Tree{"policies/a.rego": {Data: data}}) {
			if p.Message == "" || p.File == "" {
				t.Errorf("a problem without words or file: %+v", p)
			}
		}
	})
}
