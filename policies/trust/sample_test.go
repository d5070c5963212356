package trust

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/projects/example"
)

// The samples of the example campus are good under their real names.
func TestSamples(t *testing.T) {
	people := newSSH(t, 1)
	campus := projects.Tree{allowedFile: {Data: []byte("camille,olivier,gitlab " + people.public())}}
	for _, name := range []string{ownersFile, signersFile} {
		data, err := fs.ReadFile(example.FS(), name+".sample")
		if err != nil {
			t.Fatal(err)
		}
		campus[name] = projects.File{Data: data}
	}
	rules, problems := Read(campus)
	if len(problems) > 0 || rules.Owners == nil || rules.Signers == nil {
		t.Fatal(problems)
	}
	// The student of the cohort's file may do what its comments say, and no more.
	const path = "cohorts/zz2-2026-s1.yaml"
	text, err := fs.ReadFile(example.FS(), path)
	if err != nil {
		t.Fatal(err)
	}
	for change, want := range map[string]string{
		"flavour: calcul\n  power: stopped\n  memory: 12288": "",
		"flavour: calcul\n  memory: 12289":                   path + " rapamato memory",
		"flavour: calcul\n  disk: 10":                        path + " rapamato disk",
	} {
		after := strings.Replace(string(text), "flavour: calcul", change, 1)
		e := edit("rapamato", path, string(text), after)
		if got := places(rules.Owners.Trespasses(e)); got != want {
			t.Errorf("%q: %q, want %q", change, got, want)
		}
	}
}
