package policies

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/gobwas/glob"
	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// sightPlan draws a plan in which much is alike and much is against the rules.
func sightPlan(t *rapid.T) plan.Plan {
	var steps []plan.Step
	pick := func(what string, words ...string) string { return rapid.SampledFrom(words).Draw(t, what) }
	draw := func(name string) inventory.Resource {
		owner := student(pick("student", "ada", "bob", ""))
		owner.Unit = pick("unit", "cohort/gis3", "project/pft", "cohort/x")
		r := machine(name, owner, "node="+pick("node", "pve1", "pve3", "pve9", ""), "storage="+pick("storage", "vol-ceph-1", "local"),
			"net0.bridge="+pick("bridge", "vibr279", "vibr1"), "memory="+pick("memory", "1024", "20480"))
		if pick("nets", "one", "two") == "two" {
			r.Attrs["nets"], r.Attrs["net1.bridge"] = "net0,net1", pick("bridge", "vibr279", "vibr1", "vibr2")
		}
		if base := pick("base", "", "template:desktop-cinnamon", "template:other", "template:9000"); base != "" {
			r.Attrs["create.base"] = base
		}
		if pick("workspace", "", "labs") != "" {
			r.Attrs["create.workspace"] = "projects"
		}
		return r
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "guests") {
		name := strings.Replace(pick("name", "vm-ada-#", "vm-bob-#", "srv-#", "srv#.local.isima.fr", "srv#.x"), "#", fmt.Sprint(i), 1)
		after := draw(name)
		before := draw("old")
		before.Key = after.Key
		change := updates(before, after)
		switch change.Action = inventory.Action(pick("action", "create", "update", "replace", "delete", "adopt")); change.Action {
		case inventory.Create:
			change.Before, change.Fields = nil, nil
		case inventory.Delete:
			change.After, change.Fields = nil, nil
		}
		if pick("blocked", "no", "no", "yes") == "yes" {
			change = blocked(change)
		}
		steps = append(steps, change)
		record := inventory.Resource{Key: inventory.MakeKey("ad", inventory.KindRecord, fmt.Sprint(i), "A"), Owner: after.Owner,
			Attrs: inventory.Attrs{"zone": pick("zone", "etu.isima.fr", "x.fr", "10.in-addr.arpa")}}
		steps = append(steps, creates(record))
	}
	return planOf(steps...)
}

// TestPatternsOfNamesFit holds the short way to allow a name against the long one.
func TestPatternsOfNamesFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		login := rapid.StringMatching(`[ab][ab.-]{0,2}`).Draw(t, "login")
		name := rapid.StringMatching(`(vm-)?[ab.-]{1,6}`).Draw(t, "name")
		raw := patterns(nil).of(name, login)
		matcher, err := glob.Compile(strings.ReplaceAll(raw, "{student}", glob.QuoteMeta(login)))
		if err != nil || !matcher.Match(name) {
			t.Fatalf("%s of %s follows %s and does not fit it: %v", name, login, raw, err)
		}
	})
}

// TestNothingIsOverlooked holds what the built-in rules say of changes that are
// judged together against what they say of each.
func TestNothingIsOverlooked(t *testing.T) {
	rules, problems := load(t.Context(), projects.Tree{limitsFile: folder(t, "testdata")["limits.yaml"]}, false)
	if len(problems) > 0 {
		t.Fatal(&Error{problems})
	}
	single := *rules
	single.sights = map[string]*sight{"provost.names": rules.sights["provost.names"]} // it judges each one anyway,
	single.names = nil                                                                // by its own name
	live := []inventory.Resource{
		{Key: "cri/node/pve1", Attrs: inventory.Attrs{"status": "offline", "memory": "40960", "used": "0"}},
		{Key: "cri/node/pve3", Attrs: inventory.Attrs{"status": "online", "memory": "1024", "used": "0"}},
		{Key: "cri/storage/pve1/vol-ceph-1", Attrs: inventory.Attrs{"size": "60", "used": "0", "shared": "1"}},
		{Key: "cri/template/9000", Attrs: inventory.Attrs{"name": "desktop-cinnamon"}},
	}
	said := map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		in := reconciler.PolicyInput{Plan: sightPlan(rt), Live: live, Time: wednesday}
		together, err := rules.judge(t.Context(), in)
		if err != nil {
			rt.Fatal(err)
		}
		each, err := single.judge(t.Context(), in)
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(together, each) {
			rt.Fatalf("together:\n%seach:\n%s", brief(together), brief(each))
		}
		for _, v := range each {
			said[v.Rule+" "+v.Title] = true
		}
	})
	for _, q := range rules.queries {
		for title := range q.places {
			if title != "" && !strings.HasSuffix(q.pkg, "lib") && !said[q.pkg+" "+title] {
				t.Errorf("no plan that was drawn broke %q of %s", title, q.pkg)
			}
		}
	}
}
