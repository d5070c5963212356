package proxmox

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeBulk starts all containers by one request. That has a task of its own for each
// of them, and only lists of tasks tell which.
func (t *trial) timeBulk(ctx context.Context) (string, error) {
	if !t.c.bulk() {
		return "", leftOut("only Proxmox VE from 9.1.2 on has them, and limits.bulk_start: 1 does without")
	}
	before, err := t.startTasks(ctx)
	if err != nil {
		return "", err
	}
	var vmids []string
	for _, i := range t.numbers(0) {
		vmids = append(vmids, t.vmid(i))
	}
	p := params{"max-workers": strconv.Itoa(min(t.Count, mostWorkers))}
	if _, err := t.c.api.postList(ctx, "/cluster/bulk-action/guest/start", p, "vms", vmids); err != nil {
		return "", err
	}
	tasks, err := t.followStarts(ctx, before)
	if err != nil {
		return "", err
	}
	if _, err := t.follow(ctx, tasks); err != nil {
		return "", err
	}
	for _, task := range tasks {
		t.t.Bulk = append(t.t.Bulk, task.at.Sub(tasks[0].at))
	}
	_, err = t.many(ctx, t.numbers(0), t.stop)
	return fmt.Sprintf("%d begin within %s", t.Count, t.t.Bulk[t.Count-1].Round(time.Millisecond)), err
}

// startLimit is how long a start is looked for that was asked for.
const startLimit = 2 * time.Minute

// followStarts waits until each container has one start more than there were. One is
// taken to have begun half way between the last list without it and the first with it.
func (t *trial) followStarts(ctx context.Context, before map[upid]bool) (tasks []follower, err error) {
	for asked, last := time.Now(), time.Now(); len(tasks) < t.Count; {
		now, err := t.startTasks(ctx)
		if err != nil {
			return nil, err
		}
		seen := time.Now()
		for u := range now {
			if !before[u] {
				tasks = append(tasks, follower{u, last.Add(seen.Sub(last) / 2)})
				before[u] = true
			}
		}
		if last = seen; seen.Sub(asked) > startLimit {
			return nil, fmt.Errorf("after %s only %d of %d containers are being started", startLimit, len(tasks), t.Count)
		}
	}
	return tasks, nil
}

// startTasks are all starts of the trial's containers that the node tells of.
func (t *trial) startTasks(ctx context.Context) (map[upid]bool, error) {
	var lines []task
	if _, err := t.c.api.get(ctx, "/nodes/"+t.from.node+"/tasks?source=all&limit=500&typefilter=vzstart", &lines); err != nil {
		return nil, err
	}
	seen := map[upid]bool{}
	for _, l := range lines {
		if t.within(string(l.ID)) {
			seen[l.UPID] = true
		}
	}
	return seen, nil
}

// timeSnapshots makes and deletes one of each container.
func (t *trial) timeSnapshots(ctx context.Context) (string, error) {
	if err := t.mayToo("VM.Snapshot"); err != nil {
		return "", err
	}
	for _, i := range t.numbers(0) {
		at := t.ref(i).path() + "/snapshot"
		err := t.alone(ctx, &t.t.Snapshot, func() (upid, error) { return t.c.api.post(ctx, at, params{"snapname": "trial"}) })
		if says(err, "snapshot feature is not available") {
			return "", leftOut("storage " + t.from.storage + " has no snapshots")
		}
		if err != nil {
			return "", err
		}
		var ignored []time.Duration
		if err := t.alone(ctx, &ignored, func() (upid, error) { return t.c.api.delete(ctx, at+"/trial") }); err != nil {
			return "", err
		}
	}
	return told(t.t.Snapshot), nil
}

// timeMigrations moves containers that stand still to another node and back. They are
// of their own, as one that fails half-way stays there.
func (t *trial) timeMigrations(ctx context.Context) (string, error) {
	if err := t.mayToo("VM.Migrate"); err != nil {
		return "", err
	}
	if !t.t.SharedStorage {
		return "", leftOut("storage " + t.from.storage + " is one node's own, so that its disks are copied, too")
	}
	other := t.otherNode()
	if other == "" {
		return "", leftOut("no other node that has storage " + t.from.storage + " is online")
	}
	err := t.repeat(&t.t.Migrate, func() error {
		i, ignored := t.nth(t.t.Migrate), []time.Duration(nil)
		if err := t.alone(ctx, &ignored, func() (upid, error) { return t.create(ctx, i) }); err != nil {
			return err
		}
		for _, way := range [][2]string{{t.from.node, other}, {other, t.from.node}} {
			at := ref{vmid: t.vmid(i), typ: typeLXC, node: way[0]}
			if err := t.alone(ctx, &t.t.Migrate, func() (upid, error) {
				return t.c.api.post(ctx, at.path()+"/migrate", params{"target": way[1]})
			}); err != nil {
				return err
			}
		}
		return t.destroyTimed(ctx, t.ref(i))
	})
	return told(t.t.Migrate) + ", to " + other + " and back", err
}

func (t *trial) otherNode() string {
	v := t.c.look()
	for _, node := range sortedKeys(v.nodes) {
		if _, has := v.storages[storageKey(node, t.from.storage)]; has && v.nodes[node] && node != t.from.node {
			return node
		}
	}
	return ""
}

// timeMachines makes linked clones of a machine template.
func (t *trial) timeMachines(ctx context.Context) (string, error) {
	switch rights, err := t.c.readRights(ctx, []string{"/vms/" + t.machine.vmid}); {
	case t.machine.vmid == "":
		return "", leftOut("there is no machine template to clone")
	case err != nil:
		return "", err
	case !rights.has("/vms/"+t.machine.vmid, "VM.Clone"):
		return "", leftOut("the token lacks VM.Clone on /vms/" + t.machine.vmid)
	}
	err := t.repeat(&t.t.Machine, func() error { return t.cloneTimed(ctx, &t.t.Machine, t.machine.ref, t.nth(t.t.Machine), "0") })
	return told(t.t.Machine) + ", of " + t.machine.vmid + " on " + t.machine.node, withoutLinks(err, t.machine.storage)
}

// timeFiles reads all guests' files over SSH, and how much of that is connecting.
func (t *trial) timeFiles(ctx context.Context) (string, error) {
	if t.c.ssh == nil {
		return "", leftOut("ssh: is not configured")
	}
	host := t.c.ssh.hosts[0]
	for range max(leastSamples, t.Count) {
		sent := time.Now()
		client, err := t.c.ssh.connect(ctx, host)
		if err != nil {
			return "", fmt.Errorf("cannot connect to %s: %w", host, err)
		}
		t.t.Connections = append(t.t.Connections, time.Since(sent))
		files, err := runForced(client, wordRead)
		took := time.Since(sent)
		client.Close()
		if err != nil {
			return "", fmt.Errorf("cannot read the configurations from %s: %w", host, err)
		}
		t.t.FilesReads, t.t.Files = append(t.t.FilesReads, took), len(files.guests)
	}
	if t.t.Files == 0 {
		return "", leftOut(strings.TrimSpace("no guest's file was read from " + host))
	}
	return fmt.Sprintf("%s for %d guests, of which connecting takes %s", meanOf(t.t.FilesReads), t.t.Files, meanOf(t.t.Connections)), nil
}
