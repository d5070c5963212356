package proxmox

import (
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Of what took a template's place since it was listed nothing is cloned.
func TestATemplateThatWasReplaced(t *testing.T) {
	for name, replace := range map[string]func(string) string{
		"by a machine":          func(file string) string { return strings.ReplaceAll(file, "template: 1\n", "") },
		"by another template":   func(file string) string { return strings.ReplaceAll(file, "hostname: desktop", "hostname: exams") },
		"by nothing but a lock": func(file string) string { return file },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
				c := r.open(t)
				list(t, c)
				first, _ := container("vm-a", 20001)
				mustApply(t, c, creation(first))
				time.Sleep(lately)
				if err := r.sim.EditFile(9000, replace(r.sim.File(9000))); err != nil {
					t.Fatal(err)
				}
				r.sim.ForgetRequests()
				same := strings.Contains(name, "nothing")
				for _, vmid := range []int{20002, 20003} {
					next, _ := container("vm-b", vmid)
					o := apply(c, creation(next))
					if same && o.State != inventory.StateDone || !same && (o.State != inventory.StateRetry || !strings.Contains(o.Error, "list again")) {
						t.Errorf("%v", o)
					}
				}
				looks := r.askedFor("/nodes/pve1/lxc/9000/config")
				if _, made := r.sim.Guest(20002); made != same || same && looks != 1 {
					t.Errorf("made: %v; %d looks for two clones", made, looks)
				}
			})
		})
	}
}

// What is cloned is locked: clones that follow each other tell that it is still there.
func TestATemplateThatIsClonedAllTheTime(t *testing.T) {
	virtual(t, pvesim.Options{Costs: pvesim.Costs{FullClone: lately * 3 / 4}}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		r.sim.ForgetRequests()
		for vmid := 20001; vmid <= 20004; vmid++ {
			guest, _ := container("vm-a", vmid)
			mustApply(t, c, creation(guest))
		}
		if looks := r.askedFor("/nodes/pve1/lxc/9000/config"); looks != 0 {
			t.Errorf("%d looks in the middle of clones", looks)
		}
	})
}
