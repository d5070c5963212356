package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// A guest's mark says from its creation on that provost owes it its first start:
// boot=new@<node it was made on>@<when>. It goes on saying so when the guest was
// started, as taking that back would be one more write for each machine; whether
// the start was made, the cluster tells:
//
//	it runs, or this process saw it run       made
//	a start that ended well is in a log       made
//	a log that matters has forgotten          made, as far as anybody can tell
//	a week has passed                         the same
//	a log that matters cannot be read         nobody knows, so nothing is started
//	none of these                             owed
//
// For a machine that its owner switched off must stay off, and one that nobody
// ever started is to be started, but it can wait. Only a guest that stands still
// and has not been judged yet costs anything: a look at the log of its node, and at
// those of all others if it ever left the node. What was made is then forgotten by
// the mark, and with it what the log would have to tell.
//
// Each node keeps its own log of tasks. It moves it aside when it is beyond logBytes
// and keeps one such, about 500 to 1,000 tasks; so a log that has forgotten anything
// holds that much, and one of which something is older than the guest has forgotten
// nothing about it.

const (
	// firstStartWithin is how long a first start is owed. After that somebody has
	// had it as it is, and what was lost in the cluster, logs too, may be a lot.
	firstStartWithin = 7 * 24 * time.Hour
	logBytes         = 50_000
	// fewTasks would have to take 500 bytes each to be all that is left of a log
	// that forgot; a line takes 90, and more only where it tells of an error.
	fewTasks = 100
	// allTasks are more than a log holds.
	allTasks = 10_000
)

// owed is what a mark says of a first start: where the guest was made, and when on
// the cluster's clock. Marks of before this was noted say neither.
type owed struct {
	node  string
	since int64
}

// parseOwed reads a mark's word; false when no start is owed.
func parseOwed(word string) (owed, bool) {
	if word == bootNew {
		return owed{}, true
	}
	rest, ok := strings.CutPrefix(word, bootNew+"@")
	node, when, dated := strings.Cut(rest, "@")
	since, err := strconv.ParseInt(when, 10, 64)
	return owed{node, since}, ok && dated && err == nil && since > 0
}

// owedIn is what a description's mark says of a first start.
func owedIn(text string) string {
	m, _ := inventory.ParseMark(text)
	return m.Extra[markBoot]
}

// owedFrom is the word for a guest that is made on a node, or comes back to it, now.
func (c *Cluster) owedFrom(node string) string {
	return fmt.Sprintf("%s@%s@%d", bootNew, node, c.now().Unix())
}

// now is the time on the clock of the node that answered last.
func (c *Cluster) now() time.Time { return time.Now().Add(c.look().ahead) }

// old reports that a start is not owed any more.
func (o owed) old(now time.Time) bool {
	return o.since > 0 && now.Sub(time.Unix(o.since, 0)) > firstStartWithin
}

// hasRun reports whether a guest is known to have run since its mark says that.
func (c *Cluster) hasRun(vmid, word string) bool {
	return word != "" && c.look().ran[vmid] == word
}

// noteRan remembers that a guest runs whose mark says so of its first start.
func (c *Cluster) noteRan(vmid, word string) {
	if word == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ran := maps.Clone(c.view.ran)
	if ran == nil {
		ran = map[string]string{}
	}
	ran[vmid] = word
	c.view.ran = ran
}

// forgetful is a description that is to be written, without what its mark says of a
// first start that was made.
func (c *Cluster) forgetful(vmid, text string) string {
	m, ok := inventory.ParseMark(text)
	if !ok || m.Extra[markRetired] != "" || !c.hasRun(vmid, m.Extra[markBoot]) {
		return text
	}
	delete(m.Extra, markBoot)
	return inventory.WithMark(text, m)
}

// judgeStarts finds out of each guest that stands still though it is owed its
// first start whether that was made.
func (c *Cluster) judgeStarts(ctx context.Context, s *survey) {
	waiting := map[string]owed{}
	for vmid, g := range s.guests {
		if o, word, ok := c.stands(g); ok {
			switch {
			case c.hasRun(vmid, word) || begun(s.tasks, vmid, o.since):
				s.started[vmid] = true
			case o.old(s.now):
				s.started[vmid] = true
				c.leaveOff(g, "it was made more than a week ago")
			default:
				waiting[vmid] = o
			}
		}
	}
	logs := &taskLogs{c: c, s: s, since: earliest(waiting), read: map[string]taskLogOf{}}
	for _, vmid := range slices.Sorted(maps.Keys(waiting)) {
		made, unsure := logs.judge(ctx, s.guests[vmid], waiting[vmid])
		s.started[vmid] = made
		if unsure != "" {
			s.unsure[vmid] = unsure
		}
	}
}

// stands reports a guest of ours that stands still, and is owed its first start
// as far as its mark tells. One that is retired shall stand still, and one that is
// half made never ran.
func (c *Cluster) stands(g guest) (o owed, word string, ok bool) {
	if powerState(g.status) != "stopped" || g.cfg == nil || g.template() {
		return o, "", false
	}
	m, ours, _ := c.judge(g)
	if !ours || m.Extra[markRetired] != "" || m.Extra[markRaw] != "" || unmade(g, false) {
		return o, "", false
	}
	word = m.Extra[markBoot]
	o, ok = parseOwed(word)
	return o, word, ok
}

func earliest(waiting map[string]owed) (since int64) {
	for _, o := range waiting {
		if since == 0 || o.since < since {
			since = o.since
		}
	}
	return since
}

// taskLogs are the nodes' logs, each read when it is first needed.
type taskLogs struct {
	c     *Cluster
	s     *survey
	since int64 // nobody asks about what was before
	read  map[string]taskLogOf
}

// taskLogOf is what a node remembers of its tasks.
type taskLogOf struct {
	lines   []task // the newest first
	forgets int64  // what ended until then it may have forgotten
	err     error
}

// judge tells whether a guest was ever started, as far as anybody can tell, or why
// nobody can.
func (l *taskLogs) judge(ctx context.Context, g guest, o owed) (made bool, unsure string) {
	nodes := []string{g.node}
	if o.node != g.node || moved(l.of(ctx, g.node).lines, g.vmid) {
		nodes = l.s.nodes()
	}
	forgotten := ""
	for _, node := range nodes {
		log := l.of(ctx, node)
		switch {
		case begun(log.lines, g.vmid, o.since):
			return true, ""
		case log.err != nil:
			unsure = fmt.Sprintf("cannot tell whether %s was ever started, so it is not: the task log of node %s cannot be read: %v", g.ref, node, log.err)
		case o.since > 0 && o.since <= log.forgets+clocksApart:
			forgotten = node
		}
	}
	if forgotten != "" {
		l.c.leaveOff(g, "the task log of node "+forgotten+" does not go back to its creation")
		return true, ""
	}
	return false, unsure
}

// leaveOff says that a guest will not be started for its first time.
func (c *Cluster) leaveOff(g guest, why string) {
	c.log.Warn("not starting a guest that may have run before", "guest", g.ref.String(), "node", g.node, "reason", why,
		"hint", "start it by hand, or declare power: running")
}

// of reads a node's log: as little as shows that it is whole, or all of it.
func (l *taskLogs) of(ctx context.Context, node string) taskLogOf {
	log, known := l.read[node]
	if !known {
		log = taskLogOf{err: errors.New("the node is offline")}
		if l.s.online(node) {
			log = l.c.taskLogOf(ctx, node, l.since)
		}
		l.read[node] = log
	}
	return log
}

func (c *Cluster) taskLogOf(ctx context.Context, node string, since int64) (log taskLogOf) {
	path := fmt.Sprintf("/nodes/%s/tasks?source=all&limit=%d&since=%d", node, fewTasks, max(0, since-clocksApart))
	if _, log.err = c.api.get(ctx, path, &log.lines); log.err != nil || len(log.lines) < fewTasks {
		return log
	}
	log.lines = nil
	path = fmt.Sprintf("/nodes/%s/tasks?source=all&limit=%d", node, allTasks)
	if _, log.err = c.api.get(ctx, path, &log.lines); log.err != nil {
		return log
	}
	log.forgets = forgets(log.lines)
	return log
}

// forgets tells until when a log may have forgotten what ended, given all of it.
func forgets(lines []task) (until int64) {
	bytes := 0
	for _, t := range lines {
		bytes += len(t.UPID) + len(" 00000000 ") + len(t.Status) + len("\n")
		if ended := t.touched().Unix(); t.EndTime != "" && (until == 0 || ended < until) {
			until = ended
		}
	}
	if bytes < logBytes {
		return 0
	}
	return until
}

// begun reports a start of a guest that ended well, among tasks of which the newest
// come first. One before its deletion was another guest's of that VMID.
func begun(lines []task, vmid string, since int64) bool {
	for _, t := range lines {
		switch {
		case string(t.ID) != vmid:
		case strings.HasSuffix(t.Type, "destroy"):
			return false
		case !slices.Contains([]string{"vzstart", "qmstart", "hastart"}, t.Type):
		case t.EndTime != "" && endedWell(t.Status) && t.begun().Unix() >= since-clocksApart:
			return true
		}
	}
	return false
}

// moved reports that a guest left the node.
func moved(lines []task, vmid string) bool {
	return slices.ContainsFunc(lines, func(t task) bool {
		return string(t.ID) == vmid && slices.Contains([]string{"vzmigrate", "qmigrate", "hamigrate"}, t.Type)
	})
}

// nodes are the cluster's, sorted.
func (s *survey) nodes() []string {
	var names []string
	for _, l := range s.lines {
		if l.kind == "node" {
			names = append(names, l.node)
		}
	}
	slices.Sort(names)
	return names
}
