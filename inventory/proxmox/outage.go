package proxmox

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A node that is gone does not say so of its tasks: the cluster goes on showing them
// as they were when it was last heard of. So where somebody waits for long, the nodes
// are looked at, and whoever waits for a task of one that is gone is told so.
const nodesEvery = 5 * time.Minute

func (c *Cluster) lookAtNodes(ctx context.Context) {
	if !c.watcher.nodesDue() {
		return
	}
	var lines []line
	if _, err := c.api.get(ctx, "/cluster/resources?type=node", &lines); err != nil {
		return // the tasks were told of, so that the cluster answers
	}
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wait := range slices.Clone(w.waits) {
		node := wait.task().node()
		if slices.ContainsFunc(lines, func(l line) bool { return l.node == node && l.status == "offline" }) {
			c.tell(wait, ending{err: fmt.Errorf("node %s is offline", node)})
		}
	}
}

// nodesDue reports that it is time for a look at the nodes, and books it.
func (w *watcher) nodesDue() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	due := time.Since(w.nodes) >= nodesEvery &&
		slices.ContainsFunc(w.waits, func(wait *waiting) bool { return time.Since(wait.since) >= nodesEvery })
	if due {
		w.nodes = time.Now()
	}
	return due
}
