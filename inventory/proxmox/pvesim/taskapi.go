package pvesim

import (
	"slices"
	"strings"
)

// mayRead says whether an identity may look at a task: its own, or with
// Sys.Audit on the node. Another token of the same user is somebody else.
func (k *call) mayRead(t *task) error {
	if t.who.name == k.who.name {
		return nil
	}
	return k.need("/nodes/"+t.node.name, "Sys.Audit")
}

// task finds the task that the call's path names.
func (k *call) task() (*task, error) {
	upid := k.str("upid")
	if parts := strings.Split(upid, ":"); len(parts) != 9 || parts[0] != "UPID" {
		return nil, badParam("upid", "unable to parse worker upid")
	}
	for _, t := range k.c.tasks {
		if t.upid == upid {
			return t, nil
		}
	}
	return nil, badParam("upid", "no such task")
}

func (k *call) getTaskStatus() (any, error) {
	t, err := k.task()
	if err != nil {
		return nil, err
	}
	if err := k.mayRead(t); err != nil {
		return nil, err
	}
	row := t.row()
	row["status"] = "stopped"
	if t.running {
		row["status"] = "running"
	} else {
		row["exitstatus"] = t.exit
	}
	return row, nil
}

func (t *task) row() map[string]any {
	row := map[string]any{
		"upid": t.upid, "node": t.node.name, "pid": t.pid, "pstart": t.pstart,
		"starttime": t.start.Unix(), "type": t.kind, "id": t.id, "user": t.who.user,
	}
	if t.who.token != nil {
		row["tokenid"] = t.who.token.id
	}
	return row
}

// line is a task as lists show it.
func (t *task) line() map[string]any {
	row := t.row()
	if !t.running {
		row["endtime"], row["status"] = t.end.Unix(), t.exit
	}
	return row
}

func (k *call) getTaskLog() (any, error) {
	t, err := k.task()
	if err != nil {
		return nil, err
	}
	if err := k.mayRead(t); err != nil {
		return nil, err
	}
	start, limit := max(k.num("start"), 0), k.num("limit")
	if limit < 0 {
		limit = 50
	}
	lines := []map[string]any{}
	for i, text := range t.log {
		if i >= start && (len(lines) < limit || limit == 0) {
			lines = append(lines, map[string]any{"n": i + 1, "t": text})
		}
	}
	return result{Data: lines, Total: len(t.log)}, nil
}

func (k *call) stopTask() (any, error) {
	t, err := k.task()
	if err != nil {
		return nil, err
	}
	if t.who.name != k.who.name {
		if err := k.need("/nodes/"+t.node.name, "Sys.Modify"); err != nil {
			return nil, err
		}
	}
	if t.running && !t.canceled {
		t.canceled = true
		close(t.cancel)
	}
	return nil, nil
}

// newestTasks lists what runs on a node, the last first, and then what it remembers.
func (c *Cluster) newestTasks(n *node) []*task {
	var running []*task
	for _, t := range slices.Backward(c.tasks) {
		if t.running && t.node == n {
			running = append(running, t)
		}
	}
	return append(running, n.log.newest()...)
}

func (k *call) getNodeTasks() (any, error) {
	rows := []map[string]any{}
	for _, t := range k.c.newestTasks(k.node) {
		if k.mayRead(t) == nil && k.selects(t) {
			rows = append(rows, t.line())
		}
	}
	total := len(rows)
	start, limit := max(k.num("start"), 0), k.num("limit")
	if limit < 0 {
		limit = 50
	}
	rows = rows[min(start, len(rows)):]
	return result{Data: rows[:min(limit, len(rows))], Total: total}, nil
}

// selects applies the filters of a node's task list. Running tasks come only
// when they are asked for.
func (k *call) selects(t *task) bool {
	source := k.str("source")
	switch {
	case t.running && source != "active" && source != "all",
		!t.running && source == "active",
		k.on("errors") && t.exit == "OK",
		k.has("vmid") && t.id != k.str("vmid"),
		k.has("typefilter") && t.kind != k.str("typefilter"),
		k.has("userfilter") && !strings.Contains(t.who.user, k.str("userfilter")),
		k.has("since") && t.start.Unix() < int64(k.num("since")),
		k.has("until") && t.start.Unix() > int64(k.num("until")):
		return false
	}
	return true
}
