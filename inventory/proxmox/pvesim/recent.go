package pvesim

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Each node tells the cluster of its recent tasks whenever one begins or ends:
// all that run and then, up to 25 with those, what has ended, the last *begun*
// first. So of a long task that ends among short ones the end is shown only until
// the next event, and with 25 tasks running none is. That is what active_workers in
// PVE::RESTEnvironment and broadcast_tasklist in PVE::Cluster do.
const (
	recentTasks = 25
	recentBytes = 32 << 10 // of JSON; the oldest give way, whether they run or not
)

// announce renews the node's list. It is called under the cluster's lock.
func (n *node) announce(news *task) {
	if !slices.Contains(n.recent, news) {
		n.recent = append(n.recent, news)
	}
	var running, ended []*task
	for _, t := range n.recent {
		if t.running {
			running = append(running, t)
		} else {
			ended = append(ended, t)
		}
	}
	slices.SortStableFunc(ended, func(a, b *task) int { return cmp.Compare(b.start.Unix(), a.start.Unix()) })
	room := min(max(0, recentTasks-len(running)), len(ended))
	n.recent = append(running, ended[:room]...)
}

// shown are the lines of the node's list that fit into one message.
func (n *node) shown() []*task {
	bytes := 2
	for i, t := range n.recent {
		line, err := json.Marshal(t.recentLine())
		if bytes += len(line) + 1; err != nil || bytes >= recentBytes {
			return n.recent[:i]
		}
	}
	return n.recent
}

func (t *task) recentLine() map[string]any {
	row := t.line()
	delete(row, "pid")
	delete(row, "pstart")
	if !t.running {
		row["saved"] = "1"
	}
	return row
}

// getClusterTasks shows everything to who may audit the cluster, and otherwise a
// user his own tasks; a token without that right sees none, as tasks are the user's.
func (k *call) getClusterTasks() (any, error) {
	all := k.c.can(k.who, "/", "Sys.Audit")
	rows := []map[string]any{}
	for _, n := range k.c.nodes {
		for _, line := range n.told() {
			if all || line["user"] == k.who.name {
				rows = append(rows, line)
			}
		}
	}
	return rows, nil
}

// told are the lines of a node's list as the cluster has them: of one that is off
// the network, as they were before. Whoever ran then seems to run for ever. [src]
func (n *node) told() []map[string]any {
	if n.down {
		return n.last
	}
	lines := []map[string]any{}
	for _, t := range n.shown() {
		lines = append(lines, t.recentLine())
	}
	return lines
}
