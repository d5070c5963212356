package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// prepare finds what to make guests of, and makes sure that nothing is in their way:
// the range, the rights, the room. It changes nothing but what an earlier run left.
func (t *trial) prepare(ctx context.Context) error {
	if t.Count < 3 {
		return fmt.Errorf("count: %d is not at least 3", t.Count)
	}
	first, last, err := vmidRange("trials", t.c.cfg.Trials)
	if err != nil {
		return err
	}
	if last-first+1 < 2*t.Count {
		return fmt.Errorf("trials: %s has no room for %d guests", t.c.cfg.Trials, 2*t.Count)
	}
	t.first = first
	if err := t.clearEarlier(ctx); err != nil {
		return err
	}
	if _, err := t.c.List(ctx); err != nil {
		return err
	}
	v := t.c.look()
	for n := first; n <= last; n++ {
		if vmid := strconv.Itoa(n); v.taken[vmid] {
			return fmt.Errorf("VMID %s is in use, or a backup of it stands, and all of %s must be free: it is nothing of provost's, so move it, or set trials: to another range", vmid, t.c.cfg.Trials)
		}
	}
	if err := t.choose(ctx, v); err != nil {
		return err
	}
	if err := t.checkRights(ctx); err != nil {
		return err
	}
	if err := t.checkRoom(ctx); err != nil {
		return err
	}
	t.t.Node, t.t.Storage, t.t.Template, t.t.OSTemplate, t.t.Count = t.from.node, t.from.storage, t.from.vmid, t.image, t.Count
	t.t.SharedStorage, t.t.Cores = v.shared(t.from.node, t.from.storage), v.cores[t.from.node]
	t.t.Small, t.t.Large = gib, t.from.disk*gib
	t.Say("timing node %s and storage %s, with template %s (%s GiB) and %s", t.t.Node, t.t.Storage, t.from.vmid, formatGiB(t.from.disk), t.image)
	return t.warn(ctx)
}

// choose takes the templates that were named or the first there are, and the storage
// for backups.
func (t *trial) choose(ctx context.Context, v view) (err error) {
	if t.from, err = v.trialTemplate(typeLXC, t.Template); err != nil {
		return err
	}
	if t.from.disk < leastDisk {
		return fmt.Errorf("template %s is of %s GiB: one of at least %d is needed, to tell copying from the rest", t.from.vmid, formatGiB(t.from.disk), leastDisk)
	}
	if t.Machine != off {
		if t.machine, err = v.trialTemplate(typeQEMU, t.Machine); err != nil && t.Machine != "" {
			return err
		}
	}
	if t.Backups == "" {
		t.Backups = t.c.cfg.Backups
	}
	if t.Backups != "" && t.Backups != off {
		vault, ok := v.vault(t.from.node, t.Backups)
		if !ok {
			return fmt.Errorf("node %s has no storage %q with content type backup", t.from.node, t.Backups)
		}
		t.vault = vault
	}
	t.image, err = t.chooseOSTemplate(ctx, v)
	return err
}

// leastDisk in GiB: what a clone of it takes is held against one of 1 GiB.
const leastDisk = 2

// trialTemplate is a template of a type: the one that is wanted, or the first that
// will do.
func (v view) trialTemplate(typ, want string) (template, error) {
	var all, locked []string
	for _, t := range v.templates {
		name := t.vmid + " (" + t.name + ")"
		switch {
		case t.typ != typ || !v.nodes[t.node]:
		case t.stuck != "":
			locked = append(locked, name+": "+t.stuck)
		case want == "" && (typ == typeQEMU || t.disk >= leastDisk), t.vmid == want, t.name == want:
			return t, nil
		default:
			all = append(all, name)
		}
	}
	text := fmt.Sprintf("there is no %s template", map[string]string{typeLXC: "container", typeQEMU: "machine"}[typ])
	switch {
	case want != "":
		text += fmt.Sprintf(" %q", want)
	case typ == typeLXC:
		text += fmt.Sprintf(" of at least %d GiB", leastDisk)
	}
	if len(all) == 0 {
		text += " that the token may see (VM.Audit)"
	}
	for _, rest := range []struct {
		intro string
		list  []string
	}{{"there are ", all}, {"locked is ", locked}, {"offline is ", v.offline()}} {
		if len(rest.list) > 0 {
			text += "; " + rest.intro + strings.Join(rest.list, ", ")
		}
	}
	return template{}, errors.New(text)
}

func (v view) offline() (nodes []string) {
	for _, node := range sortedKeys(v.nodes) {
		if !v.nodes[node] {
			nodes = append(nodes, "node "+node)
		}
	}
	return nodes
}

// chooseOSTemplate takes the one that was named or else the last of the first
// storage that has any.
func (t *trial) chooseOSTemplate(ctx context.Context, v view) (string, error) {
	node := t.from.node
	if t.OSTemplate != "" {
		storage, prefix, _ := strings.Cut(t.OSTemplate, ":")
		images, err := t.c.images(ctx, node, storage)
		if err != nil {
			return "", err
		}
		return chooseImage(images, strings.TrimPrefix(prefix, "vztmpl/"))
	}
	for _, place := range sortedKeys(v.storages) {
		storage, here := strings.CutPrefix(place, node+"/")
		if !here {
			continue
		}
		if images, err := t.c.images(ctx, node, storage); err == nil && len(images) > 0 {
			return slices.Max(images), nil
		}
	}
	return "", fmt.Errorf("there is no OS template on node %s, and small containers are made of one: fetch one there, as by \"pveam download local debian-12-standard_12.7-1_amd64.tar.zst\"", node)
}

// checkRoom asks for as much as is there at most at one time, as if disks were full.
func (t *trial) checkRoom(ctx context.Context) error {
	need := map[string]float64{t.from.storage: 2*float64(t.Count) + t.from.disk}
	if t.vault.name != "" {
		need[t.from.storage] = max(need[t.from.storage], float64(t.Count)+2*t.from.disk)
		need[t.vault.name] += t.from.disk + 1
	}
	lines, err := t.c.resources(ctx)
	if err != nil {
		return err
	}
	for _, l := range lines {
		size, used := number(whole(l.maxDisk, 1)), number(whole(l.disk, 1))
		free := float64(size-used) / gib
		if l.kind == "storage" && l.node == t.from.node && size > 0 && free < need[l.storage] {
			return fmt.Errorf("storage %s has %.0f GiB free, and up to %.0f are needed: make room, or take a smaller --template or --count", l.storage, free, need[l.storage])
		}
	}
	return nil
}

// warn tells what else the cluster does, as that is timed along.
func (t *trial) warn(ctx context.Context) error {
	ts, _, err := t.c.tasks(ctx)
	if err != nil {
		return err
	}
	var busy []string
	for _, task := range ts {
		if task.running() {
			busy = append(busy, fmt.Sprintf("%s %s on %s", task.Type, task.ID, task.Node))
		}
	}
	if len(busy) > 0 {
		t.Say("note: the cluster is at work, which is timed along: %s", truncate(strings.Join(busy, ", "), 200))
	}
	return nil
}
