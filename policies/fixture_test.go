package policies

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// wednesday is when the passes of these tests run.
var wednesday = time.Date(2026, 9, 16, 10, 0, 0, 0, time.UTC)

func newEngine(options ...Option) *Engine {
	return New(slog.New(slog.DiscardHandler), options...)
}

// tree makes a repository of paths and contents in turn.
func tree(files ...string) projects.Tree {
	t := projects.Tree{}
	for pair := range slices.Chunk(files, 2) {
		t[pair[0]] = projects.File{Data: []byte(pair[1])}
	}
	return t
}

// limitsTree is a repository with this limits file.
func limitsTree(text string) projects.Tree { return tree(limitsFile, text) }

// folder reads a folder of testdata as a repository.
func folder(t testing.TB, path string) projects.Tree {
	t.Helper()
	files := projects.Tree{}
	err := fs.WalkDir(os.DirFS(path), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path + "/" + name)
		files[name] = projects.File{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// student owns a machine in the cohort gis3.
func student(login string) inventory.Owner {
	return inventory.Owner{Campus: "isima", File: "cohorts/gis3.yaml", Unit: "cohort/gis3", Student: login}
}

// machine is a guest named after its owner; attrs come as "memory=4096".
func machine(name string, owner inventory.Owner, attrs ...string) inventory.Resource {
	r := inventory.Resource{
		Key: inventory.MakeKey("cri", inventory.KindGuest, name), Owner: owner,
		Attrs: inventory.Attrs{
			"type": "lxc", "name": name, "node": "pve1", "storage": "vol-ceph-1",
			"cores": "2", "memory": "4096", "disk": "50", "nets": "net0", "net0.bridge": "vibr279",
		},
	}
	for _, attr := range attrs {
		key, value, _ := strings.Cut(attr, "=")
		r.Attrs[key] = value
	}
	return r
}

func creates(r inventory.Resource) plan.Step {
	return plan.Step{Change: inventory.Change{Key: r.Key, Action: inventory.Create, After: &r, Owner: r.Owner}}
}

func deletes(r inventory.Resource) plan.Step {
	return plan.Step{Change: inventory.Change{Key: r.Key, Action: inventory.Delete, Before: &r, Owner: r.Owner}}
}

func updates(before, after inventory.Resource) plan.Step {
	var fields []string
	for name, value := range after.Attrs {
		if before.Attrs[name] != value {
			fields = append(fields, name)
		}
	}
	if before.Owner != after.Owner {
		fields = append(fields, "owner")
	}
	slices.Sort(fields)
	return plan.Step{Change: inventory.Change{Key: after.Key, Action: inventory.Update, Before: &before, After: &after, Owner: after.Owner, Fields: fields}}
}

// planOf sorts steps as a plan holds them.
func planOf(steps ...plan.Step) plan.Plan {
	slices.SortFunc(steps, func(a, b plan.Step) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return plan.Plan{Steps: steps}
}

// check judges steps and fails the test on an error.
func check(t *testing.T, rules projects.Tree, live []inventory.Resource, steps ...plan.Step) []reconciler.Violation {
	t.Helper()
	violations, err := newEngine().Check(t.Context(), reconciler.PolicyInput{
		Rules: rules, Plan: planOf(steps...), Live: live, Actor: "Ada <ada@isima.fr>", Time: wednesday,
	})
	if err != nil {
		t.Fatal(err)
	}
	return violations
}

// brief shows violations a line each: level, owner, message and keys' names.
func brief(violations []reconciler.Violation) string {
	var b strings.Builder
	for _, v := range violations {
		names := make([]string, len(v.Keys))
		for i, key := range v.Keys {
			names[i] = strings.TrimPrefix(string(key), "cri/guest/")
		}
		fmt.Fprintf(&b, "%s %s: %s [%s]\n", v.Level, v.Owner.Student, v.Message, strings.Join(names, " "))
	}
	return b.String()
}

// wave is n new machines of n students with power, record and filter, some
// bigger than they may be.
func wave(n int) plan.Plan {
	var steps []plan.Step
	for i := range n / 4 {
		login := "student" + strconv.Itoa(i)
		owner := student(login)
		guest := machine("vm-"+login, owner, "memory="+strconv.Itoa(1024*(1+i%20)), "create.base=template:desktop-cinnamon")
		power := inventory.Resource{Key: inventory.MakeKey("cri", inventory.KindPower, "vm-"+login), Owner: owner, Attrs: inventory.Attrs{"state": "running"}}
		record := inventory.Resource{Key: inventory.MakeKey("ad", inventory.KindRecord, "vm-"+login+".etu.isima.fr", "A"), Owner: owner,
			Attrs: inventory.Attrs{"zone": "etu.isima.fr", "name": "vm-" + login, "type": "A", "value": "10.0.0.1", "ttl": "3600"}}
		filter := inventory.Resource{Key: inventory.MakeKey("ad", inventory.KindFilter, fmt.Sprintf("bc-24-11-00-%02x-%02x", i>>8, i&255)), Owner: owner,
			Attrs: inventory.Attrs{"list": "allow", "on": "all"}}
		power.Needs = []inventory.Key{guest.Key, record.Key, filter.Key}
		steps = append(steps, creates(guest), creates(power), creates(record), creates(filter))
	}
	return planOf(steps...)
}
