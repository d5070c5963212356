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
