package proxmox

import (
	"cmp"
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// restores are the templates whose machines are to be restored from a backup
// instead of cloned. The zero value restores nothing.
type restores struct {
	mu      sync.Mutex
	planned map[string]bool // by the template's VMID
	making  map[string]bool // that the archive of is yet to be made
	failed  map[string]int  // restores in a row that the server did not finish
	cloned  map[string]bool // VMIDs of machines that could not be restored
}

// plan takes up what Prepare has decided; making are those whose archive comes first.
func (s *restores) plan(planned, making map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned, s.making, s.failed, s.cloned = planned, making, map[string]int{}, map[string]bool{}
}

// wanted reports whether machines of a template are to be restored, and waits
// whether the archive is yet to come.
func (s *restores) wanted(template string) (wanted, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.planned[template], s.making[template]
}

// with says that there is an archive, without that there will be none.
func (s *restores) with(template string)    { s.decide(template, true) }
func (s *restores) without(template string) { s.decide(template, false) }

func (s *restores) decide(template string, restored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.planned[template]; known {
		s.planned[template] = restored
		delete(s.making, template)
	}
}

// mostFailures in a row, and an archive is taken for damaged.
const mostFailures = 3

// ended books how a restore ended. A machine that was not restored is cloned.
func (s *restores) ended(template, vmid string, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.planned == nil {
		return
	}
	if !failed {
		s.failed[template] = 0
		return
	}
	s.cloned[vmid] = true
	if s.failed[template]++; s.failed[template] >= mostFailures {
		s.planned[template] = false
	}
}

func (s *restores) gaveUp(vmid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cloned[vmid]
}

// restorable is the archive that r is to be restored from, and the template that
// it is of; false when r is to be cloned.
func (c *Cluster) restorable(r inventory.Resource) (archive, template, bool) {
	v := c.look()
	originals, err := v.originals(r)
	if err != nil || !restoredKind(r) || c.restores.gaveUp(r.Attrs["vmid"]) {
		return archive{}, template{}, false
	}
	t := originals[0]
	if wanted, waits := c.restores.wanted(t.vmid); !wanted || waits {
		return archive{}, template{}, false
	}
	a, ok := v.restorable(t, r.Attrs["node"])
	return a, t, ok
}

// restoredKind reports whether r is of the sort that can be restored: a full clone
// of a container template.
func restoredKind(r inventory.Resource) bool {
	return r.Key.Kind() == inventory.KindGuest && r.Attrs["type"] == typeLXC &&
		r.Attrs["create.clone"] != "linked" && strings.HasPrefix(r.Attrs["create.base"], "template:")
}

// isRestored reports whether r is to be restored, or was when that was planned.
func (c *Cluster) isRestored(r inventory.Resource, t template) bool {
	wanted, _ := c.restores.wanted(t.vmid)
	return wanted && restoredKind(r)
}

// archiveWidth is how many are restored at once when there is an archive. Until
// then, or when there will be none, machines are cloned from what is free: not from
// what is copied or backed up.
func (c *Cluster) archiveWidth(names string) int {
	vmid, _, _ := strings.Cut(names, "+")
	wanted, waits := c.restores.wanted(vmid)
	switch sources := c.sourcesOf(names); {
	case waits && sources > 1:
		return sources - 1
	case waits:
		return -1
	case !wanted:
		return max(1, sources)
	}
	return c.restoresAtOnce(vmid)
}

// restoresAtOnce are as many as end in good time: where the storage is full they all
// take as many times as long as there are, and what takes longer than task_timeout
// nobody waits for. Until some were timed one stream is taken to fill the storage.
func (c *Cluster) restoresAtOnce(vmid string) int {
	t, _ := c.look().template(vmid)
	to := inventory.Resource{Attrs: inventory.Attrs{"node": t.node, "storage": c.loans.copiesTo(vmid)}}
	each := c.restoreSpeed(t, to)
	if each.seen == 0 {
		each.drag = 1
	}
	most := 1
	for most < c.cfg.Limits.ClonesPerStorage && each.side(float64(most+1)) <= c.cfg.TaskTimeout/goodTime {
		most++
	}
	return most
}

const goodTime = 3 // what is guessed may take as many times as long

// archiveWords tell what restores wait for.
func (c *Cluster) archiveWords(names string, width int) string {
	vmid, _, _ := strings.Cut(names, "+")
	if _, waits := c.restores.wanted(vmid); waits {
		return "the backup of template " + vmid
	}
	return "template " + vmid + atOnce(width)
}

// restore makes a container from an archive. The one request says all that is not
// as in the archive; only what is to be deleted from that is left to configure.
func (j *job) restore(ctx context.Context, r inventory.Resource, want ref, a archive, t template) (made, error) {
	p, rest := restoreParams(r, want, a, t)
	mark := j.c.newMark(r, want.vmid)
	if rest {
		mark = j.c.rawMark(r, want.vmid)
	}
	p["description"] = describe(r, "", mark)
	it := made{about: j.c.look().aboutRestore(t, r), cfg: restored(t, r, p), started: !rest && j.c.startsAtOnce(r.Key)}
	if it.started {
		p["start"] = "1"
	}
	j.say("restoring from %s", a.volid)
	err := j.begin(ctx, r, want, &it, "/nodes/"+want.node+"/lxc", p)
	failed := err != nil && stateOf(err) == inventory.StateFailed
	if err == nil || failed {
		j.c.restores.ended(t.vmid, want.vmid, failed)
	}
	if failed {
		return it, retryf("%v; it is cloned instead", err)
	}
	return it, err
}

// restoreParams say whatever is not as in the archive, and rest that something in
// it has to be deleted afterwards. Each interface is named, so that none keeps the
// archive's address: one without an address is given a new one. The request's
// "unique" would do that too, but it overrides the addresses that we name.
func restoreParams(r inventory.Resource, want ref, a archive, t template) (p params, rest bool) {
	live := unpacked(t, r)
	p, remove := configParams(typeLXC, live, r.Attrs, every)
	for _, net := range netNames(live) {
		if p[net] == "" {
			p[net] = live[net]
		}
	}
	size := t.disk
	if disk, ok := parseGiB(r.Attrs["disk"] + "G"); ok {
		size = max(size, disk)
	}
	maps.Copy(p, params{
		"vmid": want.vmid, "ostemplate": a.volid, "restore": "1",
		// What the archive says, too: without it the server asks for rights to make
		// containers that are privileged.
		"unprivileged": "1",
		"hostname":     r.Attrs["name"],
		"pool":         r.Attrs["pool"],
		"rootfs":       cmp.Or(r.Attrs["storage"], t.storage) + ":" + formatGiB(size),
	})
	return p, len(remove) > 0
}

// unpacked is the configuration that an archive brings: that of a copy of the
// template, without its addresses.
func unpacked(t template, r inventory.Resource) rawConfig {
	cfg := cloned(t, r, "")
	cfg["tags"], cfg["onboot"] = copyTag, "0"
	return cfg
}

// restored is the configuration of a container that was made with p.
func restored(t template, r inventory.Resource, p params) rawConfig {
	cfg := unpacked(t, r)
	for option, value := range p {
		if value != "" && !notAnOption[option] {
			cfg[option] = value
		}
	}
	storage, size, _ := strings.Cut(p["rootfs"], ":")
	cfg["rootfs"] = storage + ":new,size=" + size + "G"
	return cfg
}

var notAnOption = map[string]bool{"vmid": true, "ostemplate": true, "restore": true, "pool": true}

// unrestorable says why machines of a template have to be cloned, or "".
func unrestorable(t template) string {
	switch {
	case t.cfg == nil:
		return "its configuration is not known"
	case t.cfg[rawLines] != "":
		return "only root gets raw lxc lines back from a backup"
	case canonicalBool(t.cfg["unprivileged"]) != "1":
		return "only administrators may restore a privileged container"
	}
	for option := range t.cfg {
		if strings.HasPrefix(option, "mp") && strings.Trim(option[2:], "0123456789") == "" {
			return "it has more than its root disk"
		}
	}
	return ""
}

// aboutRestore: restores of one template take alike; what they write they write to
// the storage of the machine.
func (v view) aboutRestore(t template, r inventory.Resource) about {
	node, storage := r.Attrs["node"], cmp.Or(r.Attrs["storage"], t.storage)
	a := about{subject: "vzrestore/" + t.vmid, units: 1, storage: v.place(node, storage), drag: guessDrag(v.storages[storageKey(node, storage)].kind)}
	if t.disk > 0 {
		a.general, a.units = "vzrestore on "+a.storage, t.disk
	}
	return a
}

// aboutBackup: a backup reads all of the copy's disk.
func (v view) aboutBackup(copied template) about {
	a := about{subject: "vzdump/" + copied.original(), units: 1, storage: v.place(copied.node, copied.storage),
		drag: guessDrag(v.storages[storageKey(copied.node, copied.storage)].kind)}
	if copied.disk > 0 {
		a.general, a.units = "vzdump from "+a.storage, copied.disk
	}
	return a
}

// restoreSpeed is how fast r is restored. Where that was never seen, it is taken
// to write what a clone writes, and to unpack it as a creation from an OS template
// does, in which others do not disturb it.
func (c *Cluster) restoreSpeed(t template, r inventory.Resource) speed {
	a := c.look().aboutRestore(t, r)
	if s, ok := c.pace.of(a); ok {
		return s
	}
	if s, ok := c.cfg.Guesses.of(a); ok {
		return s
	}
	s := c.cloneSpeed(planFrom(r, t), r).and(c.usual("vzcreate", guessInstall))
	s.assumed, s.seen = true, 0
	return s
}

// and is the speed of what does something more, in which others do not disturb it.
func (s speed) and(more time.Duration) speed {
	before := s.alone.Seconds()
	s.alone += more
	s.drag *= before / s.alone.Seconds()
	return s
}

// backupTime is how long a backup of a copy takes: about as long as a clone, which
// reads as much and writes more.
func (c *Cluster) backupTime(t template, clone speed) time.Duration {
	a := c.look().aboutBackup(t)
	if s, ok := c.pace.of(a); ok {
		return s.alone
	}
	if s, ok := c.cfg.Guesses.of(a); ok {
		return s.alone
	}
	return clone.alone + guessFixed
}
