package policies

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
)

// golden compares a value's JSON with a file; UPDATE=1 writes the file.
func golden(t *testing.T, path string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; UPDATE=1 writes it anew. Got:\n%s", path, got)
	}
}

// TestInputDocument holds the document that campuses write rules against.
func TestInputDocument(t *testing.T) {
	live := []inventory.Resource{
		{Key: "cri/node/pve1", Attrs: inventory.Attrs{"status": "online", "cores": "64", "memory": "262144", "used": "131072"}},
		{Key: "cri/storage/pve1/vol-ceph-1", Attrs: inventory.Attrs{"size": "2000", "used": "700", "shared": "1"}},
		{Key: "cri/template/9000", Attrs: inventory.Attrs{"type": "lxc", "name": "desktop-cinnamon", "node": "pve1", "disk": "20", "storage": "vol-ceph-1"}},
		machine("vm-ada", student("ada"), "tags=gis3;provost", "net0.tag=285", "vmid=20031"),
	}
	grown := machine("vm-ada", student("ada"), "memory=8192")
	delete(grown.Attrs, "cores") // not managed: stays as it is
	fresh := machine("vm-bob", student("bob"), "memory=40960", "create.base=template:desktop-cinnamon", "create.clone=linked", "create.workspace=labs")
	p := planOf(updates(live[3], grown), creates(fresh), blocked(deletes(machine("vm-eve", student("eve")))))
	l, problems := decodeLimits([]byte("quotas: {student: {default: {memory: 16 GiB}}}"))
	if len(problems) > 0 {
		t.Fatal(&Error{problems})
	}
	in := reconciler.PolicyInput{Plan: p, Live: live, Actor: "Ada <ada@isima.fr>", Time: wednesday}
	document, err := ast.JSON(newDocument(in, l, l.patterns(), l.sights()).view("campus.rules", l.sights()).input)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/input.golden.json", document)
}

func TestAttributesThatAreNoNumbersStayText(t *testing.T) {
	for value, want := range map[string]string{
		"4096": "4096", "0": "0", "12.5": "12.5", "007": `"007"`, "": `""`, "1e9": `"1e9"`, "-3": `"-3"`, "9999999999999999999999": `"9999999999999999999999"`,
	} {
		if got := attrTerm("memory", value).String(); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
	if got := attrTerm("name", "42").String(); got != `"42"` {
		t.Errorf("a name became %s", got)
	}
}

func TestWorkspaces(t *testing.T) {
	lab, named := inventory.Owner{Unit: "project/lab1"}, inventory.Owner{Unit: "cohort/gis3"}
	planned := machine("a", lab, "create.workspace=labs")
	spaces := newWorkspaces([]inventory.Resource{machine("b", named, "create.workspace=desks")})
	spaces.note(&planned)
	for unit, want := range map[string]string{"project/lab1": "labs", "cohort/gis3": "desks", "project/x": "projects", "cohort/x": "cohorts", "": ""} {
		if got := spaces.of(unit); got != want {
			t.Errorf("%q: got %q, want %q", unit, got, want)
		}
	}
}
