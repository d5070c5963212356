package policies

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/provost-dev/provost/projects"
)

func TestLimitsAreRead(t *testing.T) {
	data, err := os.ReadFile("testdata/limits.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l, problems := decodeLimits(data)
	if len(problems) > 0 {
		t.Fatal(&Error{problems})
	}
	for h, want := range map[holder]amounts{
		{scopeStudent, "ada"}:              {2, 8, 16 << 10, 100},
		{scopeStudent, "rapamato"}:         {2, 8, 32 << 10, 100},
		{scopeProject, "x"}:                {20, 64, 128 << 10, 2 << 10},
		{scopeProject, "profan-transfert"}: {20, 64, 128 << 10, unlimited},
		{scopeCohort, "x"}:                 {120, unlimited, unlimited, unlimited},
		{scopeCluster, "cri"}:              {unlimited, unlimited, 2 << 20, 40 << 10},
		{scopeCluster, "other"}:            noLimits(),
	} {
		if got := l.of(h); got != want {
			t.Errorf("%v: got %v, want %v", h, got, want)
		}
	}
	golden(t, "testdata/limits.golden.json", l.data())
}

// TestExampleLimits holds the sample campus to this format.
func TestExampleLimits(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../projects/example", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(filepath.ToSlash(path), limitsFile) {
			return err
		}
		found++
		root := strings.TrimSuffix(path, filepath.FromSlash(limitsFile))
		for _, p := range Validate(folder(t, filepath.Clean(root))) {
			t.Errorf("%s: %s (%s)", root, line(p), p.Hint)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("the sample campus has no policies/limits.yaml")
	}
}

func TestDefaultStandsBelowItsExceptions(t *testing.T) {
	l, problems := decodeLimits([]byte("quotas: {student: {except: {a: {cores: 1}}, default: {guests: 3}}}"))
	if got := l.of(holder{scopeStudent, "a"}); len(problems) > 0 || got != (amounts{3, 1, unlimited, unlimited}) {
		t.Errorf("got %v, %v", got, problems)
	}
}

func TestBareNumbersMeanWhatTheyMeanInDeclarations(t *testing.T) {
	l, problems := decodeLimits([]byte("quotas: {student: {default: {memory: '4096', disk: 300}}}"))
	if got := l.of(holder{scopeStudent, "a"}); len(problems) > 0 || got[memory] != 4096 || got[disk] != 300 {
		t.Errorf("got %v, %v", got, problems)
	}
}

func TestLimitsProblems(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"not a mapping", "- a", "1:1: the limits must be a mapping"},
		{"unknown key", "quota: {}", `1:1: unknown key "quota" in the limits`},
		{"unknown scope", "quotas:\n  school: {}", `2:3: unknown key "school" in quotas`},
		{"a quota without default", "quotas:\n  student: {cores: 3}", `2:13: unknown key "cores" in the quotas of a student`},
		{"unknown dimension", "quotas: {student: {default: {ram: 3}}}", `1:30: unknown key "ram" in a quota`},
		{"a unit that does not fit", "quotas: {student: {default: {cores: 3 GiB}}}", `1:37: cannot read "3 GiB" as cores`},
		{"a unit of another world", "quotas: {student: {default: {memory: 3 GB}}}", `cannot read "3 GB" as memory`},
		{"a negative number", "quotas: {student: {default: {memory: -1}}}", `cannot read "-1" as memory`},
		{"no number", "quotas: {student: {default: {memory: }}}", "memory must be a word or a number"},
		{"a list for a number", "quotas: {student: {default: {memory: [1]}}}", "memory must be a word or a number"},
		{"a key that comes twice", "quotas: {}\nwarn: {}\nquotas: {}", `3:1: key "quotas" comes twice`},
		{"an anchor", "allow: &a []", "1:8: anchors and aliases are not allowed"},
		{"an alias", "quotas: {student: {default: &a {cores: 1}, except: {x: *a}}}", "1:56: anchors and aliases"},
		{"an allowance for nobody", "allow:\n  - nodes: [a]", "2:5: the entry does not say for whom it is"},
		{"an allowance of nothing", "allow:\n  - for: '*'", "2:5: the entry needs one of nodes,"},
		{"a broken pattern", "names: [{for: '*', like: 'vm-[a'}]", `1:26: cannot read the pattern "vm-[a"`},
		{"a pattern that is no text", "names: [{for: '*', like: [[a]]}]", "an item of like must be a word"},
		{"a share of more than all there is", "warn: {memory: 2000 %}", `cannot read "2000 %" as a share of memory`},
		{"another version", "apiVersion: provost/v9", "1:13: apiVersion must be provost/v1"},
		{"another kind", "kind: Cohort", "kind must be Limits"},
		{"two documents", "quotas: {}\n---\nquotas: {}", "a second document begins here"},
		{"broken YAML", "quotas: {", "cannot read as YAML"},
		{"broken second document", "quotas: {}\n---\n{", "cannot read as YAML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := decodeLimits([]byte(c.text))
			if len(problems) == 0 {
				t.Fatal("no problem found")
			}
			if got := (&Error{problems}).Error(); !strings.Contains(got, "policies/limits.yaml:") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
}

func TestAllLimitsProblemsAtOnce(t *testing.T) {
	_, problems := decodeLimits([]byte("kind: x\nquotas: {student: {default: {cores: a, disk: b}}}\nwarn: {x: 1}\n"))
	if len(problems) != 4 {
		t.Errorf("got %d problems, want 4: %v", len(problems), &Error{problems})
	}
}

func TestEmptyLimitsAreNoLimits(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "{}"} {
		if l, problems := decodeLimits([]byte(text)); len(problems) > 0 || !reflect.DeepEqual(l.data(), defaultLimits().data()) {
			t.Errorf("%q: got %v, %v", text, l, problems)
		}
	}
}

// FuzzLimits: whatever the file, it is read or refused with a place, and what
// was read compiles beside the rules.
func FuzzLimits(f *testing.F) {
	for _, path := range []string{"testdata/limits.yaml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{
		"", "- a", "quotas: {student: {default: {memory: 9 TiB, cores: unlimited}}}", "allow: [{for: 'a{b', nodes: '*'}]",
		"names: [{for: x, like: ['{student}']}]", "warn: {memory: 1 %}", "a: &a [*a]", "---\n---\n", "\xff\xfe", "quotas: {? [a] : b}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, problems := decodeLimits(data)
		for _, p := range problems {
			if p.File != limitsFile || p.Message == "" || p.Line < 0 || p.Column < 0 {
				t.Errorf("incomplete problem %+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		for _, scope := range scopes {
			for _, n := range l.of(holder{scope, "x"}) {
				if n < 0 {
					t.Errorf("negative limit %d", n)
				}
			}
		}
		if _, err := json.Marshal(l.data()); err != nil {
			t.Error(err)
		}
		tree := projects.Tree{limitsFile: {Data: data}}
		if _, problems := readLimits(tree); len(problems) > 0 {
			t.Errorf("read twice, with problems the second time: %v", problems)
		}
	})
}
