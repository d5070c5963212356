package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

func TestApproveCommand(t *testing.T) {
	t.Setenv("SUDO_USER", "camille")
	dir := t.TempDir()
	config := filepath.Join(dir, "provost.yaml")
	text := "campus: isima\nstate: " + dir + "/state\nrepository: {url: " + dir + "}\nsystems: {cri: {proxmox: {endpoints: [https://127.0.0.1:1]}}}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	hash := strings.Repeat("0a", 16)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--config", config}, exitError, "give the hash"},
		{[]string{"--config", config, "0a0a"}, exitError, "32 hexadecimal digits"},
		{[]string{hash, "--config", config, "other"}, exitError, "one hash"},
		{[]string{hash, "--config", config, "--nonsense"}, exitError, "nonsense"},
		{[]string{hash, "--config", config + "x"}, exitError, "cannot read the configuration"},
		{[]string{hash, "--config", config}, exitOK, "approved"},
		{[]string{"--as", "ada", "--config", config, hash}, exitOK, "approved"},
	} {
		var out bytes.Buffer
		code := run(t.Context(), &terminal{out: &out, err: &out}, append([]string{"approve"}, c.args...))
		if code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: exit %d, %q", c.args, code, out.String())
		}
	}
	kept, err := os.ReadFile(filepath.Join(dir, "state", "approvals", hash+".json"))
	if err != nil || !strings.Contains(string(kept), `"by":"ada"`) {
		t.Errorf("%s %v", kept, err)
	}
}

// What people are shown of machines on their way out.
func TestPlanShowsStages(t *testing.T) {
	live := func(name, retired string) *inventory.Resource {
		r := &inventory.Resource{Key: inventory.Key("cri/guest/" + name), Attrs: inventory.Attrs{}, Owner: inventory.Owner{Campus: "isima", Unit: "cohort/a", Student: name}}
		if retired != "" {
			r.Attrs["retired"], r.Attrs["retain"] = retired, "30"
		}
		return r
	}
	p := plan.Plan{
		Steps: []plan.Step{
			{Change: inventory.Change{Key: "cri/guest/ada", Action: inventory.Update, Before: live("ada", ""), After: live("ada", "2026-11-21"),
				Fields: []string{"retired"}, Note: "kept until 2026-12-21"}},
			{Change: inventory.Change{Key: "cri/guest/bob", Action: inventory.Delete, Before: live("bob", "2026-10-01")}},
		},
		Kept: []plan.Kept{
			{Key: "cri/guest/cleo", Owner: live("cleo", "").Owner, Since: "2026-11-01", Until: "2026-12-01"},
			{Key: "cri/guest/dora", Since: "soon\x1b[2J"},
		},
		Held: &plan.Held{Hash: "0a0a", Count: 4},
	}
	show := func() string {
		var out bytes.Buffer
		printPlan(&out, &reconciler.Pass{Plan: p})
		return out.String()
	}
	text := show()
	for _, want := range []string{
		"~ cri/guest/ada  RETIRED: kept until 2026-12-21", "retired: none → 2026-11-21",
		"- cri/guest/bob  PURGED: retired 2026-10-01",
		"= cri/guest/cleo  (cohort/a/cleo)  retired 2026-11-01, kept until 2026-12-01",
		"= cri/guest/dora  ()  retired soon [2J, kept until its mark names a day",
		"held back: 4 changes", "provost approve 0a0a",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	p.Held.By = "camille"
	if text := show(); !strings.Contains(text, "approved by camille: 4 changes") || strings.Contains(text, "provost approve") {
		t.Error(text)
	}
}
