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
	if t.t.Bulk.Took, err = t.followStarts(ctx, before); err != nil {
		return "", err
	}
	t.t.Bulk.Began = make([]time.Duration, t.Count)
	_, err = t.many(ctx, t.numbers(0), t.stop)
	return fmt.Sprintf("%s from the request on, with %d of them", meanOf(t.t.Bulk.Took), t.Count), err
}

// patientLooks is how often a start is looked for that was asked for.
const patientLooks = 600

// followStarts follows one more start of each container than there were, from now on.
func (t *trial) followStarts(ctx context.Context, before map[upid]bool) ([]time.Duration, error) {
	c, asked := t.chase(), time.Now()
	for looks := 0; len(c.tasks) < t.Count || c.open > 0; looks++ {
		if len(c.tasks) < t.Count {
			now, err := t.startTasks(ctx)
			if err != nil {
				return nil, err
			}
			for u := range now {
				if !before[u] {
					c.add(follower{u, asked})
					before[u] = true
				}
			}
		}
		if err := c.look(ctx); err != nil {
			return nil, err
		}
		if looks > patientLooks {
			return nil, fmt.Errorf("only %d of %d containers are being started", len(c.tasks), t.Count)
		}
	}
	return c.took, nil
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

// timeMigrations moves a container that stands still to another node and back.
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
		for _, way := range [][2]string{{t.from.node, other}, {other, t.from.node}} {
			at := ref{vmid: t.vmid(0), typ: typeLXC, node: way[0]}
			if err := t.alone(ctx, &t.t.Migrate, func() (upid, error) {
				return t.c.api.post(ctx, at.path()+"/migrate", params{"target": way[1]})
			}); err != nil {
				return err
			}
		}
		return nil
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
	err := t.repeat(&t.t.Machine, func() error { return t.cloneTimed(ctx, &t.t.Machine, t.machine.ref, t.Count, "0") })
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
