package proxmox

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// upid names a task: "UPID:pve1:PID:PSTART:START:type:id:user!token:".
type upid string

var upidPattern = regexp.MustCompile(`^UPID:([A-Za-z0-9][A-Za-z0-9.-]*):[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:([0-9A-Fa-f]{8}):([^:\s/]+):[^:\s/]*:[^:\s/]+:$`)

// parseUPID lets through only what is safe in a path: the client library panics
// on anything else.
func parseUPID(s string) (upid, bool) {
	if !upidPattern.MatchString(s) {
		return "", false
	}
	return upid(s), true
}

func (u upid) part(n int) string {
	if m := upidPattern.FindStringSubmatch(string(u)); m != nil {
		return m[n]
	}
	return ""
}

func (u upid) node() string { return u.part(1) }
func (u upid) kind() string { return u.part(3) } // vzclone

// began is when the task began, in seconds on its node's clock.
func (u upid) began() int64 {
	n, _ := strconv.ParseInt(u.part(2), 16, 64)
	return n
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// taskLog is the end of a failed task's log; nothing when it cannot be read.
func (c *Cluster) taskLog(ctx context.Context, u upid) []string {
	var lines []struct {
		Text string `json:"t"`
	}
	if _, err := c.api.get(ctx, "/nodes/"+u.node()+"/tasks/"+string(u)+"/log?limit=1000", &lines); err != nil {
		return nil
	}
	var texts []string
	for _, l := range lines {
		if text := strings.TrimSpace(l.Text); text != "" && !strings.HasPrefix(text, "TASK ERROR:") {
			texts = append(texts, truncate(text, 200))
		}
	}
	return texts[max(0, len(texts)-3):]
}

// task is a line of a list of tasks, the cluster's or a node's.
type task struct {
	UPID      upid        `json:"upid"`
	Type      string      `json:"type"`
	ID        text        `json:"id"`
	Node      string      `json:"node"`
	Status    string      `json:"status"`
	StartTime json.Number `json:"starttime"`
	EndTime   json.Number `json:"endtime"`
}

func (t task) running() bool { return t.EndTime == "" && t.Status == "" }

// endedWell reads how a task ended: with warnings it did what it should.
func endedWell(exit string) bool { return exit == "OK" || strings.HasPrefix(exit, "WARNINGS") }

// touched is the last moment at which the task is known to have worked.
func (t task) touched() time.Time {
	if t.EndTime != "" {
		return unixTime(t.EndTime)
	}
	return t.begun()
}

func (t task) begun() time.Time { return unixTime(t.StartTime) }

func unixTime(s json.Number) time.Time {
	n, _ := strconv.ParseInt(s.String(), 10, 64)
	return time.Unix(n, 0)
}

// tasks are the cluster's recent ones and the time on the clock of the node
// that answered.
func (c *Cluster) tasks(ctx context.Context) ([]task, time.Time, error) {
	var ts []task
	x, err := c.api.get(ctx, "/cluster/tasks", &ts)
	if err != nil {
		return nil, time.Time{}, err
	}
	now := x.date
	if now.IsZero() {
		now = time.Now()
	}
	return ts, now, nil
}

// holder finds the running task that works on a guest: one of its own, or a
// clone, which goes under its source's VMID. Where the source is not known, any
// clone may be it: waiting for the wrong one costs only time.
func holder(ts []task, vmid, source string) (upid, bool) {
	for _, t := range ts {
		clone := t.Type == "vzclone" || t.Type == "qmclone"
		if !t.running() || !(string(t.ID) == vmid || clone && (source == "" || string(t.ID) == source)) {
			continue
		}
		if u, ok := parseUPID(string(t.UPID)); ok {
			return u, true
		}
	}
	return "", false
}
