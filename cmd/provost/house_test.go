package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/provost-dev/provost/"

// pkg is what "go list" says of a package.
type pkg struct {
	ImportPath string
	Doc        string
	Imports    []string
}

// mayImport says which of our packages each one may import, by the longest
// prefix that fits: what is pure is imported by what touches the world, never
// the other way round.
var mayImport = map[string][]string{
	"inventory":                         {},
	"inventory/":                        {"inventory"},
	"inventory/proxmox":                 {"inventory"},
	"inventory/proxmox/calibrate":       {"inventory/proxmox", "inventory/proxmox/pvesim"},
	"inventory/proxmox/pvesim":          {"inventory", "inventory/testcert", "inventory/testgate", "inventory/proxmox/pvesim/"},
	"inventory/proxmox/pvesim/recorded": {"inventory/proxmox/pvesim"},
	"inventory/windows":                 {"inventory", "inventory/windows/"},
	"inventory/windows/winsim":          {"inventory", "inventory/testcert", "inventory/testgate"},
	"inventory/systemtest":              {"inventory", "reconciler", "reconciler/plan"},
	"projects":                          {"inventory"},
	"projects/example":                  {"projects"},
	"reconciler/plan":                   {"inventory"},
	"reconciler":                        {"inventory", "projects", "policies/trust", "reconciler/plan"},
	"reconciler/lease":                  {"inventory", "reconciler"},
	"reconciler/web":                    {"inventory", "projects", "reconciler", "reconciler/plan"},
	"policies":                          {"inventory", "projects", "reconciler", "reconciler/plan", "policies/"},
	"policies/strict":                   {"projects"},
	"policies/trust":                    {"projects", "policies/strict"},
	"sources/forge/forgetest":           {"inventory/untrusted", "reconciler", "sources", "sources/forge"},
	"sources":                           {"inventory", "projects", "policies/trust", "reconciler", "sources", "sources/"},
	"sources/forge/gitlab/gitlabsim":    {"inventory/testcert", "inventory/testgate", "sources/forge/gitlab/gitlabsim/"},
	"cmd/":                              {""},
}

func TestImportDirection(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		rule, allowed := "", []string(nil)
		for prefix, list := range mayImport {
			if (name == prefix || strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/")) && len(prefix) > len(rule) {
				rule, allowed = prefix, list
			}
		}
		if rule == "" {
			t.Errorf("%s: no rule says what it may import: add one", name)
		}
		for _, path := range p.Imports {
			ours, ok := strings.CutPrefix(path, module)
			if ok && !covered(ours, allowed) {
				t.Errorf("%s imports %s, which %s may not", name, ours, rule)
			}
		}
	}
}

func covered(path string, allowed []string) bool {
	for _, a := range allowed {
		if path == a || a == "" || (strings.HasSuffix(a, "/") && strings.HasPrefix(path, a)) {
			return true
		}
	}
	return false
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(strings.Fields(p.Doc)) < 6 {
			t.Errorf("%s: its package comment says %q", p.ImportPath, p.Doc)
		}
	}
}

func TestModIsTidy(t *testing.T) {
	out, err := exec.Command("go", "mod", "tidy", "-diff").CombinedOutput()
	if err == nil {
		return
	}
	if text := string(out); strings.Contains(text, "dial tcp") || strings.Contains(text, "no such host") || strings.Contains(text, "GOPROXY=off") {
		t.Skip("the module proxy cannot be reached, so nobody can tell whether go.mod is tidy")
	}
	t.Errorf("go mod tidy would change something:\n%s", out)
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
