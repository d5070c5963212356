package projects

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad: no YAML panics, whatever kind it is taken for; problems have places;
// a file with errors gives no resources and one without gives no surprise twice.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"example/campus/*/*.yaml", "example/campus/*.yaml", "testdata/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatal("no seeds", err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	archives, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data)
		}
	}
	campus := testCampus(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, tree := range []Tree{
			{campusFile: campus, "projects/a.yaml": {Data: data}},
			{campusFile: campus, "cohorts/a.yaml": {Data: data}},
			{campusFile: {Data: data}, "projects/a.yaml": {Data: []byte(project("hostname: m"))}},
			{campusFile: campus, "keys/k.pub": {Data: data}},
		} {
			c := Load(tree)
			for _, file := range c.files {
				if keySetName(file.path) == "" { // of keys no line is shown
					checkPlaces(t, file)
				}
			}
			d := c.Desired(nil)
			if len(c.Problems()) > 0 && len(d.Problems) == 0 {
				t.Error("problems were lost")
			}
			if again := Load(tree).Desired(apply(d)); len(d.Problems) == 0 && len(again.Problems) > 0 {
				t.Errorf("what was sound is refused once it stands: %v", again.Problems)
			}
		}
	})
}
