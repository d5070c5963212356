package projects

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawnTree is a campus of a few files that are wrong now and then, by
// themselves and together. Most are as they were before.
func drawnTree(t *rapid.T, campus File, before Tree) Tree {
	tree := Tree{campusFile: {Data: append([]byte("timezone: Europe/Paris\n"), campus.Data...)}}
	put := func(path string, contents ...string) {
		if was, there := before[path]; there && rapid.IntRange(0, 3).Draw(t, "edit") > 0 {
			tree[path] = was
		} else if text := rapid.SampledFrom(append(contents, "none")).Draw(t, path); text != "none" {
			tree[path] = File{Data: []byte(text)}
		}
	}
	server := "cluster: cri\nct:\n- {base: desktop, cores: 1, memory: 512, net0: wlan, hostname: "
	put("projects/a.yaml", "cluster: cri\n", "cluster: cri\nct: []\n", "cluster: nowhere\n", "", server+"one}\n", server+"two}\n", server+"one, ssh-public-keys: admin}\n")
	put("projects/a.yml", "cluster: cri\n", "none", "none")
	put("projects/b.yaml", server+"one}\n", server+"two}\n- {hostname: two}\n", server+"vm-ada, vmid: 1}\n")
	students := "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate: {base: desktop, cores: 1, memory: 512, bridge: wlan}\n"
	put("cohorts/c.yaml", students+"students: [{login: ada}, {login: bob}]\n", students+"roster: c.csv\n", students+"end: 2026-06-30\nstudents: [{login: ada}]\n",
		students+"students: [{login: ada}, {login: ada}]\n")
	put("cohorts/d.yaml", students+"roster: c.csv\n", students+"students: [{login: eve, flavour: none}]\n")
	put("cohorts/c.csv", "login;name\nada;Ada\n", "login;name\nada;Ada\nbob;Bob\n", "login;nom;flavour\neve;Eve;x\n", "nothing\n")
	put("keys/admin.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINv0jRPAx0K0SxCVQWwUCjy+v0MNs5xb5fAniKtacI3y admin\n", "no key\n")
	if rapid.Bool().Draw(t, "refused") {
		tree["projects/e.yaml"] = File{Refused: "is a symbolic link"}
	}
	if rapid.IntRange(0, 9).Draw(t, "campus") == 0 {
		tree[campusFile] = File{Data: append([]byte("retain: 1\n"), campus.Data...)} // and no time zone
	}
	return tree
}

// TestMemory edits a tree at random: what is remembered must never show where
// something else is declared, or at another time.
func TestMemory(t *testing.T) {
	campus := testCampus(t)
	reused, declared := false, false
	rapid.Check(t, func(t *rapid.T) {
		var memory Memory
		var before Tree
		var known *Campus
		for range rapid.IntRange(1, 8).Draw(t, "passes") {
			tree := drawnTree(t, campus, before)
			now := rapid.SampledFrom([]time.Time{{}, time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)}).Draw(t, "now")
			if memory.last.Load() != nil {
				reused = reused || len(memory.last.Load().units(tree)) > 0
			}
			got, want := memory.LoadAt(tree, now), LoadAt(tree, now)
			if !reflect.DeepEqual(got.Desired(nil), want.Desired(nil)) || !reflect.DeepEqual(got.Problems(), want.Problems()) {
				t.Fatalf("remembered %v, want %v", got.Problems(), want.Problems())
			}
			declared = declared || len(got.Desired(nil).Resources) > 0
			if reflect.DeepEqual(before, tree) && known.holdsAt(now) && got != known {
				t.Fatal("the same tree was read again")
			}
			before, known = tree, got
		}
	})
	if !reused || !declared {
		t.Error("nothing was remembered, or nothing declared: the test shows nothing")
	}
}
