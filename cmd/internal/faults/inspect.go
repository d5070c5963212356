package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/reconciler"
)

// takenVMID belongs to somebody else, though a machine's name leads to it.
const takenVMID = 20077

func (c *Campus) isForeign(g pvesim.Guest) bool {
	return slices.ContainsFunc(c.strangers, func(f pvesim.Guest) bool { return f.VMID == g.VMID }) || g.Template
}

// Foreign is a digest of all that is not ours. Of the templates that are cloned
// only the text counts: a clone writes its source's file, to lock and unlock it.
// A lock that stays is told by [Campus.Ours].
func (c *Campus) Foreign() string {
	var b strings.Builder
	b.WriteString(c.PVE.Digest(func(g pvesim.Guest) bool { return c.isForeign(g) && !g.Template }))
	for line := range strings.Lines(c.PVE.File(9000) + c.PVE.File(9001)) {
		if !strings.HasPrefix(line, "lock:") {
			b.WriteString(line)
		}
	}
	for _, r := range c.Windows[0].Records() {
		if slices.ContainsFunc(foreignRecords(), func(f winsim.Record) bool { return f.Zone == r.Zone && f.Name == r.Name }) {
			fmt.Fprintf(&b, "%+v\n", r)
		}
	}
	for _, s := range c.Windows {
		for _, r := range s.Reservations() {
			if _, ours := inventory.ParseMark(r.Description); !ours {
				fmt.Fprintf(&b, "%+v\n", r)
			}
		}
		for _, f := range s.Filters() {
			if _, ours := inventory.ParseMark(f.Description); !ours {
				fmt.Fprintf(&b, "%+v\n", f)
			}
		}
	}
	return b.String()
}

// Ours is a line for each thing that is not foreign, sorted: what stands twice
// is there twice, and what nobody wanted is there as well. VMIDs and nodes are
// left out, since a machine may have been made anew elsewhere.
func (c *Campus) Ours() []string {
	var lines []string
	for _, g := range c.PVE.Guests() {
		if g.Lock != "" && g.Template {
			lines = append(lines, fmt.Sprintf("template %d lock=%s", g.VMID, g.Lock))
		}
		if !c.isForeign(g) {
			if line := ourGuest(g); line != "" {
				lines = append(lines, line)
			}
		}
	}
	for _, r := range c.Windows[0].Records() {
		if !slices.ContainsFunc(foreignRecords(), func(f winsim.Record) bool { return f.Zone == r.Zone && f.Name == r.Name }) {
			lines = append(lines, fmt.Sprintf("record %s %s %s %s", r.Name, r.Zone, r.Type, r.Value))
		}
	}
	for i, s := range c.Windows {
		for _, r := range s.Reservations() {
			if _, ours := inventory.ParseMark(r.Description); ours {
				lines = append(lines, fmt.Sprintf("reservation on %d: %s %s %s %s", i, r.IP, r.ClientID, r.Name, r.Description))
			}
		}
		for _, f := range s.Filters() {
			if _, ours := inventory.ParseMark(f.Description); ours {
				lines = append(lines, fmt.Sprintf("filter on %d: %s %s %s", i, f.MAC, f.List, f.Description))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// ourGuest is one machine, or "" for a whole copy of a template: how many of
// these there are is the schedule's affair.
func ourGuest(g pvesim.Guest) string {
	mark, ok := inventory.ParseMark(g.Config["description"])
	switch {
	case !ok || mark.Extra["vmid"] != fmt.Sprint(g.VMID):
		return fmt.Sprintf("stray %s %d %q lock=%s", g.Type, g.VMID, g.Name, g.Lock)
	case mark.Key.Kind() == "copy" && g.Lock == "" && g.Config["tags"] != "" && g.Config["rootfs"] != "":
		return ""
	case mark.Key.Kind() == "copy":
		return fmt.Sprintf("half a copy %d lock=%s", g.VMID, g.Lock)
	}
	return fmt.Sprintf("guest %s %s %s %s retired=%s lock=%s cores=%s memory=%s net0=%s", mark.Key, g.Type, g.Name, g.Status,
		mark.Extra["retired"], g.Lock, g.Config["cores"], g.Config["memory"], g.Config["net0"])
}

// Doubles says what must never stand twice and does, at any moment: a key, a
// name, a MAC or an address of machines, an address or a MAC of reservations.
func (c *Campus) Doubles() []string {
	seen, twice := map[string]string{}, []string{}
	note := func(what, value, who string) {
		if value == "" {
			return
		}
		if other, ok := seen[what+" "+value]; ok {
			twice = append(twice, fmt.Sprintf("%s %s is that of %s and of %s", what, value, other, who))
		}
		seen[what+" "+value] = who
	}
	for _, g := range c.PVE.Guests() {
		who := fmt.Sprint(g.VMID)
		if mark, ok := inventory.ParseMark(g.Config["description"]); ok && mark.Extra["vmid"] == who {
			note("key", string(mark.Key), who)
		}
		if g.Lock != "" {
			continue // half-made: a clone has its source's addresses until it is done
		}
		note("name", g.Name, who)
		net := g.Config["net0"]
		for _, option := range []string{"hwaddr=", "virtio=", "ip="} {
			if _, rest, ok := strings.Cut(net, option); ok {
				value, _, _ := strings.Cut(rest, ",")
				if value != "dhcp" {
					note(strings.TrimSuffix(option, "="), value, who)
				}
			}
		}
	}
	for i, s := range c.Windows {
		for _, r := range s.Reservations() {
			note(fmt.Sprintf("address on %d", i), r.IP.String(), r.Name)
			note(fmt.Sprintf("client on %d", i), r.ClientID, r.Name)
		}
	}
	return twice
}

// Statuses are the verdicts that stand on a commit, one line each; warnings, which
// hold nothing back, are left out.
func (c *Campus) Statuses(commit string) []string {
	var lines []string
	for _, s := range c.GitLab.Statuses(project, commit) {
		text, _, _ := strings.Cut(s.Description, "; warning:")
		lines = append(lines, fmt.Sprintf("%s %s: %s", s.Name, s.State, text))
	}
	slices.Sort(lines)
	return lines
}

// Repeated are the statuses of a commit that were written although an equal one
// stood. That a new process says once more that it has seen the commit, where none
// has come to a verdict, does not count.
func (c *Campus) Repeated(commit string) []string {
	last, twice := map[string]string{}, []string{}
	for _, s := range c.GitLab.Posted(project, commit) {
		text := s.State + ": " + s.Description
		if last[s.Name] == text {
			twice = append(twice, s.Name+" "+text)
		}
		last[s.Name] = text
	}
	return twice
}

// MadeTwice are the machines that the cluster agreed to make more than once.
func (c *Campus) MadeTwice() []string {
	made, twice := map[string]int{}, []string{}
	for _, r := range c.PVE.Requests() {
		vmid := r.Params["newid"]
		if strings.HasSuffix(r.Path, "/lxc") || strings.HasSuffix(r.Path, "/qemu") {
			vmid = r.Params["vmid"]
		}
		if r.Method != "POST" || vmid == "" || r.Status != 200 {
			continue
		}
		if made[vmid]++; made[vmid] == 2 {
			twice = append(twice, vmid)
		}
	}
	return twice
}

// SystemWrites counts the calls so far that may have changed a live system. That a
// daemon says that it still works does not count.
func (c *Campus) SystemWrites() int {
	n := 0
	for _, r := range c.PVE.Requests() {
		if r.Method != "GET" && !strings.HasPrefix(r.Params["poolid"], "provost-term-") {
			n++
		}
	}
	for _, s := range c.Windows {
		n += s.Commands().Verbs["apply"]
	}
	return n
}

// StatusWrites counts the statuses that were posted so far.
func (c *Campus) StatusWrites() int {
	n := 0
	for _, r := range c.GitLab.Requests() {
		if r.Method == "POST" {
			n++
		}
	}
	return n
}

// excerpt says of a pass what is not done, in a few lines.
func excerpt(pass *reconciler.Pass) string {
	if pass == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range pass.Errors() {
		fmt.Fprintf(&b, "\n  %s", p)
	}
	for _, u := range pass.Unknown {
		fmt.Fprintf(&b, "\n  unread %s: %s", u.Prefix, u.Reason)
	}
	for _, s := range pass.Plan.Steps {
		if s.Blocked() {
			fmt.Fprintf(&b, "\n  %s %s: blocked by %s: %s", s.Action, s.Key, s.Gate, s.Reason)
		}
	}
	for _, r := range pass.Results {
		if r.State != inventory.StateDone && r.Blocked == "" {
			fmt.Fprintf(&b, "\n  %s %s: %s: %s", r.Action, r.Key, r.State, r.Error)
		}
	}
	return b.String()
}
