package projects

import "github.com/provost-dev/provost/inventory"

const (
	rebootNever  = "never"
	rebootWindow = "window"
)

// reboots are the guests that may be restarted so that they take what is written,
// with when: window or now. A student's own machine is not restarted under his
// hands unless somebody says so; others are in the windows that are there for it.
func (b *builder) reboots(c Calendar) map[inventory.Key]string {
	modes := map[inventory.Key]string{}
	for _, s := range b.sites {
		mode := s.reboot
		if mode == "" && s.owner.Student == "" && c.Reboots() {
			mode = rebootWindow
		}
		if mode != "" && mode != rebootNever && s.refused == "" {
			modes[s.key] = mode
		}
	}
	return modes
}
