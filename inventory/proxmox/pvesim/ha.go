package pvesim

import (
	"strconv"
	"time"
)

// haRound is how long it takes until the HA manager does what it was asked for: its
// master and the node look every ten seconds. [src]
const haRound = 10 * time.Second

// ManageByHA puts a guest under the HA manager. Of the manager itself the double has
// that a request to stop such a guest only asks for it: the task ends at once, and
// the guest is stopped later, by a task of root's.
func (c *Cluster) ManageByHA(vmid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guests[vmid]; g != nil {
		g.ha = true
	}
}

// askHA answers a request to stop a guest that is managed.
func (k *call) askHA(kind string, g *guest) (any, error) {
	return k.spawn(job{kind: "hastop", id: strconv.Itoa(k.vmid), end: func(*task) error {
		later := *k
		later.who = &identity{name: "root@pam", user: "root@pam"}
		k.c.group.Go(func() {
			if k.c.sleep(haRound) {
				_ = k.c.locked(func() error { _, err := later.stopJob(kind, g, nil); return err }) // its task tells how it ended
			}
		})
		return nil
	}})
}
