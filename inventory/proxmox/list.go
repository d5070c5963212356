package proxmox

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// List implements reconciler.System.
func (c *Cluster) List(ctx context.Context) (inventory.Listing, error) {
	if err := c.checkVersion(ctx); err != nil {
		return inventory.Listing{}, err
	}
	s, err := c.survey(ctx)
	if err != nil {
		return inventory.Listing{}, err
	}
	l := lister{c: c, survey: s, view: view{
		listed:   true,
		at:       time.Now(),
		guests:   map[inventory.Key]ref{},
		taken:    map[string]bool{},
		copies:   map[string][]template{},
		archives: map[string][]archive{},
		nodes:    map[string]bool{},
		stale:    s.stale,
		cores:    map[string]int{},
		storages: map[string]storage{},
		ran:      map[string]string{},
		ahead:    time.Until(s.now),
	}}
	l.capacity()
	for _, vmid := range s.vmids() {
		l.guest(s.guests[vmid])
	}
	l.hidden()
	l.backups(c.backedUp(ctx, s.lines))
	c.setView(l.view)
	c.pace.on(l.view.cores)
	c.sweepIntents(s)
	c.pace.read(s.tasks)
	return l.out, nil
}

// oldest is the first release whose answers this package knows.
const oldest = 8

// checkVersion asks for the release once.
func (c *Cluster) checkVersion(ctx context.Context) error {
	c.mu.Lock()
	known := c.version != release{}
	c.mu.Unlock()
	if known {
		return nil
	}
	v, err := c.api.version(ctx)
	if err != nil {
		return err
	}
	if v.Major < oldest {
		return fmt.Errorf("cannot use Proxmox VE %d.%d: at least %d is needed", v.Major, v.Minor, oldest)
	}
	c.log.Info("connected to Proxmox VE", "version", fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = release{int(v.Major), int(v.Minor), int(v.Patch)}
	return nil
}

// lister turns a survey into a listing and the view that changes are made with.
type lister struct {
	c      *Cluster
	survey *survey
	view   view
	out    inventory.Listing
}

func (l *lister) add(r inventory.Resource) { l.out.Items = append(l.out.Items, r) }

func (l *lister) unknown(prefix inventory.Key, reason string) {
	l.out.Unknown = append(l.out.Unknown, inventory.Unknown{Prefix: prefix, Reason: reason})
}

func (l *lister) capacity() {
	for _, line := range l.survey.lines {
		switch line.kind {
		case "node":
			l.view.nodes[line.node] = line.status == "online"
			l.view.cores[line.node] = number(line.maxCPU)
			l.add(l.c.nodeResource(line))
		case "storage":
			l.view.storages[storageKey(line.node, line.storage)] = storage{shared: canonicalBool(line.shared) == "1", kind: line.plugin, backup: line.holds("backup")}
			l.add(l.c.storageResource(line))
		}
	}
}

func (l *lister) guest(g guest) {
	l.view.taken[g.vmid] = true
	if g.cfg == nil {
		l.unreadable(g)
		return
	}
	if g.template() {
		l.template(g)
		return
	}
	if m, ok := l.c.copyMark(g); ok {
		l.copy(g, m)
		return
	}
	m, ours, why := l.c.judge(g)
	if other, double := l.view.guests[m.Key]; ours && double {
		ours, why = false, fmt.Sprintf("its mark is for %s, which is %s already", m.Key, other)
	}
	if !ours {
		l.foreign(g, why)
		return
	}
	if unmade(g, m.Extra[markRaw] != "") && l.replaced(g, m.Key) {
		if g.cfg["lock"] == "" {
			l.survey.stale[g.vmid] = fmt.Sprintf("%s is left over: run %q on node %s", g.ref, tool(g.ref)+" destroy "+g.vmid, g.node)
		}
		l.foreign(g, fmt.Sprintf("it was to be %s and was never finished", m.Key))
		return
	}
	l.ours(g, m)
}

// replaced reports whether a half-made guest is of no use any more: its machine was
// made anew elsewhere, or has to be, because nobody may take the lock away.
func (l *lister) replaced(g guest, key inventory.Key) bool {
	for vmid, other := range l.survey.guests {
		if m, ours, _ := l.c.judge(other); vmid != g.vmid && ours && m.Key == key && !unmade(other, m.Extra[markRaw] != "") {
			return true
		}
	}
	return l.survey.stale[g.vmid] != "" && l.c.cfg.StaleLocks != staleClear
}

func (l *lister) ours(g guest, m inventory.Mark) {
	attrs := g.attrs()
	attrs["rebuild"] = cmp.Or(m.Extra[markRebuild], "0")
	if day := m.Extra[markRetired]; day != "" {
		attrs[inventory.AttrRetired], attrs[inventory.AttrRetain] = day, m.Extra[markRetain]
	}
	raw := m.Extra[markRaw] != ""
	if raw || unmade(g, raw) {
		attrs["raw"] = "1"
		omitDisk(attrs)
	}
	l.stale(g, attrs)
	if options := g.cfg[nextStart]; options != "" {
		attrs["pending"] = options
	}
	power := inventory.Attrs{"boot": l.boot(g, m)}
	powerKey := l.c.key(inventory.KindPower, m.Key.Name())
	reason := l.survey.unread[g.vmid]
	if !l.view.nodes[g.node] {
		reason = fmt.Sprintf("node %s is offline", g.node)
	}
	switch state := powerState(g.status); {
	case reason != "":
		l.unknown(m.Key, reason)
		l.unknown(powerKey, reason)
	case state == "":
		l.unknown(powerKey, fmt.Sprintf("Proxmox does not tell whether %s runs", g.ref))
	case l.survey.unsure[g.vmid] != "":
		l.unknown(powerKey, l.survey.unsure[g.vmid])
		power["state"] = state
	default:
		power["state"] = state
	}
	l.view.guests[m.Key] = g.ref
	l.add(inventory.Resource{Key: m.Key, Attrs: attrs, Owner: m.Owner})
	l.add(inventory.Resource{Key: powerKey, Attrs: power, Owner: m.Owner})
}

// boot tells whether a guest is owed its first start. One that ran since is as it
// should be, and its mark forgets when something is written to it anyway or when
// it is found switched off.
func (l *lister) boot(g guest, m inventory.Mark) string {
	word := m.Extra[markBoot]
	_, owed := parseOwed(word)
	runs := powerState(g.status) == "running"
	switch {
	case !owed:
		return bootDone
	case m.Extra[markRetired] != "":
		return bootNew
	case !runs && !l.survey.started[g.vmid]:
		return bootNew
	}
	l.view.ran[g.vmid] = word
	if runs {
		return bootDone
	}
	return bootRan
}

// stale adds what is to be done about a lock that no task holds.
func (l *lister) stale(g guest, attrs inventory.Attrs) {
	if advice := l.survey.stale[g.vmid]; advice != "" {
		attrs["stale"] = advice
	}
}

// omitDisk leaves out what a clone that is being made does not tell yet: its disk
// comes last, and "none" would look like one that cannot be changed in place.
func omitDisk(attrs inventory.Attrs) {
	for _, attr := range []string{"disk", "storage"} {
		if attrs[attr] == "" {
			delete(attrs, attr)
		}
	}
}

func (l *lister) foreign(g guest, why string) {
	attrs := g.attrs()
	if why != "" {
		attrs["why"] = why
	}
	l.stale(g, attrs)
	l.add(inventory.Resource{Key: l.c.key(inventory.KindForeign, g.vmid), Attrs: attrs})
}

// unreadable is a guest that was never read: whether it is ours nobody can tell,
// so its name freezes the guest of that name, and the lack of one all guests.
func (l *lister) unreadable(g guest) {
	reason := fmt.Sprintf("the configuration of %s on %s cannot be read: %s", g.ref, g.node, l.survey.unread[g.vmid])
	name := ""
	for _, line := range l.survey.lines {
		if line.guest() && line.vmid == g.vmid {
			name = line.name
		}
	}
	attrs := inventory.Attrs{"type": g.typ, "vmid": g.vmid, "node": g.node, "name": name, "why": reason}
	l.add(inventory.Resource{Key: l.c.key(inventory.KindForeign, g.vmid), Attrs: attrs})
	if name == "" {
		l.unknown(l.c.key(inventory.KindGuest), reason)
		l.unknown(l.c.key(inventory.KindPower), reason)
		return
	}
	l.unknown(l.c.key(inventory.KindGuest, name), reason)
	l.unknown(l.c.key(inventory.KindPower, name), reason)
}

func (l *lister) template(g guest) {
	t := templateOf(g)
	attrs := inventory.Attrs{"type": g.typ, "name": t.name, "node": g.node, "disk": formatGiB(t.disk), "storage": t.storage}
	l.stale(g, attrs)
	if l.c.cfg.StaleLocks != staleClear {
		t.stuck = attrs["stale"]
	}
	l.view.templates = append(l.view.templates, t)
	l.add(inventory.Resource{Key: l.c.key(inventory.KindTemplate, g.vmid), Attrs: attrs})
}

func templateOf(g guest) template {
	attrs := configAttrs(g.typ, g.cfg)
	disk, _ := parseGiB(rootVolume(g.typ, g.cfg).get("size"))
	return template{ref: g.ref, name: attrs["name"], disk: disk, storage: attrs["storage"], cfg: g.cfg, print: fingerprint(g.cfg)}
}

// powerState is running or stopped, or "" when PVE does not know.
func powerState(status string) string {
	switch strings.ToLower(status) {
	case "", "unknown":
		return ""
	case "stopped":
		return "stopped"
	default: // running, paused, suspended, prelaunch: it holds memory
		return "running"
	}
}
