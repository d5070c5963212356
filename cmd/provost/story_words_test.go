package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

// remembered is what must survive a move, a rename, an edit.
type remembered struct{ vmid, mac, disk, node string }

// find is the guest of ours with a name.
func (s *stage) find(name string) (pvesim.Guest, bool) {
	for _, g := range s.world.PVE.Guests() {
		if g.Name == name && isOurs(g) {
			return g, true
		}
	}
	return pvesim.Guest{}, false
}

// isOurs reports whether a guest carries our mark, and the mark is its own.
func isOurs(g pvesim.Guest) bool {
	mark, ok := inventory.ParseMark(g.Config["description"])
	return ok && mark.Owner.Campus == world.Campus && mark.Extra["vmid"] == fmt.Sprint(g.VMID)
}

func (s *stage) must(ts *testscript.TestScript, name string) pvesim.Guest {
	g, ok := s.find(name)
	if !ok {
		var names []string
		for _, g := range s.world.PVE.Guests() {
			names = append(names, fmt.Sprintf("%d %s", g.VMID, g.Name))
		}
		ts.Fatalf("there is no guest %s of ours; there are\n  %s", name, strings.Join(names, "\n  "))
	}
	return g
}

// guestWord looks at a guest of ours: guest NAME [FIELD=VALUE…]. A field is
// status, node, vmid, pool, lock or a line of its configuration; a value that
// begins with ~ must only be contained. "! guest NAME" wants none.
func guestWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	if neg {
		if g, ok := s.find(args[0]); ok {
			ts.Fatalf("there is a guest %s: %d", args[0], g.VMID)
		}
		return
	}
	g := s.must(ts, args[0])
	for _, want := range args[1:] {
		field, value, _ := strings.Cut(want, "=")
		got := guestField(g, field)
		if part, ok := strings.CutPrefix(value, "~"); got != value && !(ok && strings.Contains(got, part)) {
			ts.Fatalf("%s: %s is %q, want %q", args[0], field, got, value)
		}
	}
}

func guestField(g pvesim.Guest, field string) string {
	switch field {
	case "status":
		return g.Status
	case "node":
		return g.Node
	case "vmid":
		return fmt.Sprint(g.VMID)
	case "pool":
		return g.Pool
	case "type":
		return g.Type
	}
	return g.Config[field]
}

func (s *stage) look(g pvesim.Guest) remembered {
	r := remembered{vmid: fmt.Sprint(g.VMID), node: g.Node}
	for part := range strings.SplitSeq(g.Config["net0"], ",") {
		if key, value, _ := strings.Cut(part, "="); key == "hwaddr" || key == "virtio" {
			r.mac = value
		}
	}
	r.disk, _, _ = strings.Cut(g.Config["rootfs"]+g.Config["scsi0"], ",")
	return r
}

// rememberWord notes a guest's VMID, MAC, disk and node: remember NAME.
func rememberWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	s.guests[args[0]] = s.look(s.must(ts, args[0]))
}

// sameWord compares a guest with what was remembered: same NAME WHAT… [of OLD].
func sameWord(ts *testscript.TestScript, neg bool, args []string) {
	s, name := on(ts), args[0]
	old := name
	if i := slices.Index(args, "of"); i > 0 {
		old, args = args[i+1], args[:i]
	}
	was, ok := s.guests[old]
	if !ok {
		ts.Fatalf("nobody remembers %s", old)
	}
	is := s.look(s.must(ts, name))
	values := map[string][2]string{"vmid": {was.vmid, is.vmid}, "mac": {was.mac, is.mac}, "disk": {was.disk, is.disk}, "node": {was.node, is.node}}
	for _, what := range args[1:] {
		if v := values[what]; (v[0] == v[1]) == neg || v[1] == "" {
			ts.Fatalf("%s: %s was %q and is %q", name, what, v[0], v[1])
		}
	}
}

// recordWord wants a DNS record on the Windows servers: record FQDN TYPE [VALUE].
func recordWord(ts *testscript.TestScript, neg bool, args []string) {
	found := false
	var seen []string
	for _, r := range on(ts).world.Windows[0].Records() {
		fqdn := strings.TrimSuffix(r.Name+"."+r.Zone, "@.")
		if r.Name == "@" {
			fqdn = r.Zone
		}
		seen = append(seen, fqdn+" "+r.Type+" "+r.Value)
		if fqdn == args[0] && r.Type == args[1] && (len(args) < 3 || strings.TrimSuffix(r.Value, ".") == args[2]) {
			found = true
		}
	}
	if found == neg {
		ts.Fatalf("record %v found: %v; there are\n  %s", args, found, strings.Join(seen, "\n  "))
	}
}

// filterWord wants a guest's MAC in the allow filter of both servers: filter NAME.
func filterWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	mac := s.guests[args[0]].mac
	if g, ok := s.find(args[0]); ok {
		mac = s.look(g).mac
	}
	if mac == "" {
		ts.Fatalf("nobody knows the MAC of %s", args[0])
	}
	for i, server := range s.world.Windows {
		found := slices.ContainsFunc(server.Filters(), func(f winsim.Filter) bool {
			return f.List == "Allow" && strings.EqualFold(strings.ReplaceAll(f.MAC, "-", ":"), mac)
		})
		if found == neg {
			ts.Fatalf("server %d: filter for %s of %s: %v", i, mac, args[0], found)
		}
	}
}

// pveWord acts on the cluster behind provost's back.
func pveWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	pve := s.world.PVE
	switch verb := args[0]; verb {
	case "edit": // pve edit NAME OLD NEW, in the file on the node
		g := s.must(ts, args[1])
		old := pve.File(g.VMID)
		if !strings.Contains(old, args[2]) {
			ts.Fatalf("the file of %s holds no %q:\n%s", args[1], args[2], old)
		}
		ts.Check(pve.EditFile(g.VMID, strings.ReplaceAll(old, args[2], args[3])))
	case "stop", "start": // by its owner, from within
		pve.SetStatus(s.must(ts, args[1]).VMID, map[string]string{"stop": "stopped", "start": "running"}[verb])
	case "copy": // pve copy NAME VMID: a clone made by hand, mark and tags and all
		g := s.must(ts, args[1])
		g.VMID = atoi(ts, args[2])
		ts.Check(pve.AddGuest(g))
		s.digest = s.foreign()
	case "occupy": // pve occupy NAME: somebody else's container on its former VMID
		vmid := s.guests[args[1]].vmid
		ts.Check(pve.AddGuest(pvesim.Guest{VMID: atoi(ts, vmid), Node: "pve2", Type: "lxc", Config: map[string]string{
			"hostname": "somebody-elses", "cores": "1", "memory": "512", "arch": "amd64", "ostype": "debian",
			"rootfs": "vol-ceph-1:vm-" + vmid + "-disk-0,size=4G", "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:0F:0F:0F,type=veth",
		}}))
		s.digest = s.foreign()
	case "backup": // pve backup NAME: by the nightly job
		ts.Check(pve.AddBackup("dirs-nfs", s.must(ts, args[1]).VMID))
	case "backups": // pve backups N: how many there are now
		if all := pve.Backups("dirs-nfs"); len(all) != atoi(ts, args[1]) {
			ts.Fatalf("%d backups: %+v", len(all), all)
		}
	case "restored": // pve restored N: so many guests at least
		n := 0
		for _, r := range pve.Requests() {
			if r.Method == "POST" && r.Params["restore"] == "1" {
				n++
			}
		}
		if n < atoi(ts, args[1]) {
			ts.Fatalf("only %d guests were restored", n)
		}
	case "down":
		pve.NodeDown(args[1])
	case "up":
		pve.NodeUp(args[1])
	case "fail": // pve fail METHOD PATH TIMES TEXT: that task fails
		pve.Inject(pvesim.Fault{Method: args[1], Path: args[2], Times: atoi(ts, args[3]), Kind: pvesim.FailTask, Reason: args[4]})
	case "mend":
		pve.ClearFaults()
	case "drop-answer":
		pve.Inject(pvesim.Fault{Method: args[1], Path: args[2], Times: atoi(ts, args[3]), Kind: pvesim.DropAnswer})
	case "lose": // pve lose METHOD PATH: the server cannot start its worker, and its locks stay
		pve.Inject(pvesim.Fault{Method: args[1], Path: args[2], Kind: pvesim.LoseWorker})
	case "unlock": // pve unlock VMID, as pct unlock does
		pve.HoldLock(atoi(ts, args[1]), "")
	default:
		ts.Fatalf("pve cannot %s", verb)
	}
}

// windowsWord acts on the servers: windows down|up N, windows unreadable|readable SCOPE.
func windowsWord(ts *testscript.TestScript, neg bool, args []string) {
	servers := on(ts).world.Windows
	switch verb := args[0]; verb {
	case "down":
		servers[atoi(ts, args[1])-1].Down()
	case "up":
		servers[atoi(ts, args[1])-1].Up()
	case "unreadable", "readable":
		for _, server := range servers {
			server.ScopeUnreadable(netip.MustParseAddr(args[1]), verb == "unreadable")
		}
	case "add-record": // windows add-record ZONE NAME TYPE VALUE, by an administrator
		ts.Check(servers[0].AddRecord(winsim.Record{Zone: args[1], Name: args[2], Type: args[3], Value: args[4]}))
		on(ts).digest = on(ts).foreign()
	default:
		ts.Fatalf("windows cannot %s", verb)
	}
}

// forgeWord acts on GitLab: forge down|up|drop-branch, forge user NAME, forge
// group PATH USER…, forge fork PATH (which sets $FORK to where it is cloned from).
func forgeWord(ts *testscript.TestScript, neg bool, args []string) {
	forge := on(ts).world.GitLab
	switch args[0] {
	case "down":
		// Statuses fail while the repository still answers.
		forge.Inject(gitlabsim.Fault{Path: "/api/v4", Times: -1, Status: 503})
	case "up":
		forge.ClearFaults()
	case "user":
		forge.AddUser(args[1], "glpat-of-"+args[1], "api", "write_repository")
	case "group":
		forge.AddGroup(args[1], args[2:]...)
	case "fork":
		ts.Check(forge.Fork(world.Project, args[1]))
		ts.Setenv("FORK", forge.CloneURL(args[1], world.Teacher))
	case "drop-branch":
		_, err := world.Git(forge.RepoDir(world.Project), "update-ref", "-d", "refs/heads/main")
		ts.Check(err)
	default:
		ts.Fatalf("forge cannot %s", args[0])
	}
}

// mrWord acts on merge requests: mr open BRANCH TITLE [FORK] sets $MR; mr merge
// merges it; mr approve|unapprove USER.
func mrWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	switch args[0] {
	case "open":
		from := world.Project
		if len(args) > 3 {
			from = args[3]
		}
		iid, err := s.world.GitLab.OpenForkMR(world.Project, from, args[1], "main", args[2])
		ts.Check(err)
		ts.Setenv("MR", fmt.Sprint(iid))
	case "merge":
		ts.Check(s.world.GitLab.MergeMR(world.Project, atoi(ts, ts.Getenv("MR"))))
		repo := ts.Getenv("REPO")
		for _, git := range [][]string{{"checkout", "--quiet", "main"}, {"pull", "--quiet", "--ff-only"}} {
			_, err := world.Git(repo, git...)
			ts.Check(err)
		}
		commit, err := world.Git(repo, "rev-parse", "HEAD")
		ts.Check(err)
		ts.Setenv("COMMIT", strings.TrimSpace(commit))
	case "approve":
		if s.world.GitLab.Approve(world.Project, atoi(ts, ts.Getenv("MR")), args[1]) != nil { // a user nobody knew
			s.world.GitLab.AddUser(args[1], "")
			ts.Check(s.world.GitLab.Approve(world.Project, atoi(ts, ts.Getenv("MR")), args[1]))
		}
	case "unapprove":
		ts.Check(s.world.GitLab.Unapprove(world.Project, atoi(ts, ts.Getenv("MR")), args[1]))
	default:
		ts.Fatalf("mr cannot %s", args[0])
	}
}

// foreign is a digest of everything that does not carry our mark.
func (s *stage) foreign() string {
	digest := s.world.PVE.Digest(func(g pvesim.Guest) bool { return !isOurs(g) && !g.Template })
	for _, r := range s.world.Windows[0].Records() {
		if r.Zone == "cri.local.isima.fr" && r.Name == "old-wiki" {
			digest += fmt.Sprint(" ", r)
		}
	}
	return digest
}

// foreignWord demands that nothing foreign has changed since the campus began,
// or since the story itself last changed something foreign.
func foreignWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	if now := s.foreign(); now != s.digest {
		ts.Fatalf("foreign things changed:\n%s\n%s", s.digest, now)
	}
}

// uniqueWord demands that no VMID, name, MAC or address of ours stands twice.
func uniqueWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	seen := map[string]string{}
	for _, g := range s.world.PVE.Guests() {
		if !isOurs(g) {
			continue
		}
		is := s.look(g)
		for what, value := range map[string]string{"VMID": is.vmid, "MAC": is.mac, "disk": is.disk, "name": g.Name} {
			if other, twice := seen[what+value]; twice && value != "" {
				ts.Fatalf("%s and %s have the same %s %s", g.Name, other, what, value)
			}
			seen[what+value] = g.Name
		}
	}
}

// countWord compares what stands in the doubles: count guests=4 filters=4 ….
func countWord(ts *testscript.TestScript, neg bool, args []string) {
	c := on(ts).world.Count()
	values := map[string]int{"guests": c.Guests, "records": c.Records, "reservations": c.Reservations, "filters": c.Filters}
	for _, want := range args {
		what, n, _ := strings.Cut(want, "=")
		if values[what] != atoi(ts, n) {
			ts.Fatalf("%d %s, want %s", values[what], what, n)
		}
	}
}

func fetch(ts *testscript.TestScript, url string) (string, error) {
	resp, err := browser(ts, "").Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
