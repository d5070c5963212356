package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Three things tell of tasks. /cluster/tasks is the cheapest and tells of all
// nodes, but of each only what runs and a few that have ended: 25 in all, those
// that began last. A node's own list has all since a time. And a task's status is
// there as long as its log.
//
// So the cluster is asked first, and then those nodes on which something that
// somebody waits for is not shown; where all is on one node, only that one.

// tasksSeen is what lists told.
type tasksSeen struct {
	ends    map[upid]string
	running map[upid]bool
	took    map[upid]time.Duration // of those that have ended, to a second
	starts  map[string][]upid      // of guests, by VMID
	silent  map[string]error       // nodes that did not answer
}

func (s *tasksSeen) add(lines []task) {
	for _, l := range lines {
		switch {
		case l.EndTime == "" && (l.Status == "" || l.Status == "RUNNING"):
			s.running[l.UPID] = true
		case l.Status != "":
			s.ends[l.UPID], s.took[l.UPID] = l.Status, l.touched().Sub(l.begun())
		default:
			continue
		}
		if slices.Contains([]string{"vzstart", "qmstart", "hastart"}, l.Type) {
			s.starts[string(l.ID)] = append(s.starts[string(l.ID)], l.UPID)
		}
	}
}

// readTasks reads what tells how each task stands that somebody waits for. A node
// that does not answer keeps nobody from hearing of the tasks of others.
func (c *Cluster) readTasks(ctx context.Context, waits []*waiting) (tasksSeen, error) {
	seen := tasksSeen{ends: map[upid]string{}, running: map[upid]bool{}, took: map[upid]time.Duration{}, starts: map[string][]upid{}, silent: map[string]error{}}
	nodes := map[string]bool{}
	for _, wait := range waits {
		nodes[wait.task().node()] = true
		if wait.upid == "" {
			nodes[wait.guest.node] = true
		}
	}
	if len(nodes) > 1 {
		lines, _, err := c.tasks(ctx)
		if err != nil {
			return seen, err
		}
		c.noteDestroyed(lines)
		seen.add(lines)
	}
	for node := range nodes {
		since := seen.oldestMissing(waits, node)
		if since == 0 {
			continue
		}
		var lines []task
		path := fmt.Sprintf("/nodes/%s/tasks?source=all&limit=500&since=%d", node, since)
		if _, err := c.api.get(ctx, path, &lines); err != nil {
			seen.silent[node] = err
			continue
		}
		c.noteDestroyed(lines)
		seen.add(lines)
	}
	return seen, nil
}

// oldestMissing is when the first task of a node began that somebody waits for
// and no list shows; 0 if all are shown.
func (s *tasksSeen) oldestMissing(waits []*waiting, node string) (since int64) {
	for _, wait := range waits {
		u := wait.task()
		if _, ended := s.ends[u]; u.node() == node && !ended && !s.running[u] && (since == 0 || u.began() < since) {
			since = u.began()
		}
	}
	return since
}

// noteDestroyed forgets what was known of guests that somebody has deleted.
func (c *Cluster) noteDestroyed(lines []task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lines {
		if strings.HasSuffix(l.Type, "destroy") {
			delete(c.born, string(l.ID))
		}
	}
}

// started reports a start of a guest within the task that makes it. What a list tells of
// the end of the one, it tells of the other.
func (s *tasksSeen) started(wait *waiting) bool {
	return slices.ContainsFunc(s.starts[wait.guest.vmid], func(u upid) bool {
		return u.node() == wait.upid.node() && u.began() >= wait.upid.began() && endedWell(s.ends[u])
	})
}
