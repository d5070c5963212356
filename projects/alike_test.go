package projects

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

// TestNeighboursDoNotMatter holds a cohort, of which most students are read
// after the likeness of the first, against cohorts of one student each.
func TestNeighboursDoNotMatter(t *testing.T) {
	campus, compared := testCampus(t), 0
	rapid.Check(t, func(t *rapid.T) {
		one := func(what string, choices ...string) string { return rapid.SampledFrom(choices).Draw(t, what) }
		head := "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate:\n  base: debian\n  memory: 512\n" +
			one("cores", "  cores: 1\n", "  cores: 1\n", "") + one("kind", "  kind: ct\n", "  kind: vm\n") +
			one("net", "  net0: wlan\n", "  net0: lan\n", "  net0: bridge=lan,ip=dhcp\n", "  net0: bridge=lan,ip=10.0.0.9/24\n") +
			one("zone", "", "  zone: x.fr\n", "  zone: y.fr\n") + one("dns", "", "  dns: none\n") +
			one("count", "", "", "", "  count: 1\n", "  count: 2\n") +
			one("hostname", "", "", "  hostname: \"pc-{login}\"\n", "  hostname: \"{login}.deep.x.fr\"\n", "  hostname: \"pc\"\n") +
			one("description", "", "  description: \"{name} in {cohort}\"\n") + one("tags", "", "  tags: [a, b]\n") +
			"flavours:\n  big: {memory: 1024, tags: [big]}\n  odd: {cores: 3, zone: deep.x.fr}\nstudents:\n"
		var students []string
		for i := range rapid.IntRange(1, 5).Draw(t, "students") {
			students = append(students, fmt.Sprintf("- login: s%d\n", i)+one("name", "", "  name: Zoé\n")+
				one("flavour", "", "  flavour: big\n", "  flavour: odd\n")+one("own", "", "", "", "  memory: 2048\n", "  cname: [other]\n"))
		}
		read := func(students ...string) Desired {
			d := Load(Tree{campusFile: campus, "cohorts/a.yaml": File{Data: []byte(head + strings.Join(students, ""))}}).Desired(nil)
			for _, r := range d.Resources { // neighbours do matter for these
				delete(r.Attrs, "node")
				delete(r.Attrs, "vmid")
			}
			return d
		}
		together := read(students...)
		var apart []inventory.Resource
		for _, student := range students {
			d := read(student)
			if len(d.Problems) > 0 {
				if len(together.Problems) == 0 {
					t.Fatalf("alone it is refused: %v\n%s%s", d.Problems, head, student)
				}
				return
			}
			apart = append(apart, d.Resources...)
		}
		if len(together.Problems) > 0 {
			return // two ask for one thing
		}
		slices.SortFunc(apart, func(x, y inventory.Resource) int { return strings.Compare(string(x.Key), string(y.Key)) })
		compared++
		if !reflect.DeepEqual(together.Resources, apart) {
			t.Fatalf("together:\n%s\napart:\n%s", show(together.Resources), show(apart))
		}
	})
	if compared == 0 {
		t.Error("no cohort that was drawn could be read")
	}
}
