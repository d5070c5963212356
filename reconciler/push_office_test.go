package reconciler_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/policies"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
	"github.com/provost-dev/provost/sources/forge/gitlab"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
	"github.com/provost-dev/provost/sources/git"
	"github.com/provost-dev/provost/sources/webhook"
)

// office is a daemon's whole pipeline, from the webhook to the statuses, with
// the real clients on doubles.
type office struct {
	*stand
	far    *far
	t      testing.TB
	dir    string // of the repository, and of secrets
	forge  *gitlabsim.Server
	dc     *winsim.Server
	answer map[string]time.Time // when the statuses of the last push came, by "context state"
	heard  chan string
	hook   string
}

func (o *office) file(name, text string) string {
	path := filepath.Join(o.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// commit puts files into the repository.
func (o *office) commit(tree projects.Tree) {
	for path, f := range tree {
		o.file("repo/"+path, string(f.Data))
	}
	o.git("init", "-q", "-b", "main")
	o.git("add", "-A")
	o.git("-c", "user.name=t", "-c", "user.email=t@x.fr", "commit", "-q", "-m", "c")
}

// request asks for a branch with these files to be merged.
func (o *office) request(tree projects.Tree) {
	o.git("checkout", "-q", "-b", "more")
	o.commit(tree)
	if _, err := o.forge.OpenMR("cri/campus", "more", "main", "More"); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) git(args ...string) string {
	cmd := exec.Command("git", args...)
	cmd.Dir = filepath.Join(o.dir, "repo")
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("git %s: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// settle puts the machines of n students there, as provost would have made them.
func (o *office) settle(t *testing.T, n int) {
	d := projects.Load(o.campus(n)).Desired(nil)
	for _, r := range d.Resources {
		a := r.Attrs
		switch r.Key.Kind() {
		case inventory.KindGuest:
			vmid, err := strconv.Atoi(a["vmid"])
			if err != nil {
				t.Fatal(err)
			}
			mark := inventory.Mark{Key: r.Key, Owner: r.Owner, Extra: map[string]string{"vmid": a["vmid"]}}
			if err := o.sim.AddGuest(pvesim.Guest{VMID: vmid, Node: a["node"], Type: "lxc", Status: "running", Pool: a["pool"], Config: map[string]string{
				"hostname": a["name"], "cores": a["cores"], "memory": a["memory"], "tags": a["tags"], "ostype": "debian", "arch": "amd64", "unprivileged": "1",
				"rootfs": fmt.Sprintf("disks:vm-%d-disk-0,size=%sG", vmid, a["disk"]), "description": inventory.WithMark(a["description"], mark),
				"net0": fmt.Sprintf("name=eth0,bridge=%s,hwaddr=%s,ip=dhcp,type=veth", a["net0.bridge"], a["net0.mac"]),
			}}); err != nil {
				t.Fatal(err)
			}
		case inventory.KindFilter:
			mark := inventory.Mark{Key: r.Key, Owner: r.Owner}
			if err := o.dc.AddFilter(winsim.Filter{MAC: strings.ToUpper(r.Key.Name()), List: "Allow", Description: mark.String()}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// planned is what the status of the plan says on the newest commit.
func (o *office) planned() string {
	for _, s := range o.forge.Statuses("cri/campus", o.git("rev-parse", "HEAD")) {
		if s.Name == reconciler.ContextPlan {
			return s.Description
		}
	}
	return ""
}

func openOffice(t *testing.T) *office {
	o := &office{t: t, dir: t.TempDir(), far: &far{latency: pushLatency}, answer: map[string]time.Time{}, heard: make(chan string, 100)}
	t.Cleanup(func() { time.Sleep(5 * time.Minute) }) // the last of all: what is on its way arrives, connections that rest are closed
	o.stand = newStandOn(t, row{preset: "campus"}, &o.far.Network, o.far.Dial)
	o.startForge(t)
	o.startWindows(t)
	return o
}

func (o *office) startForge(t *testing.T) {
	on, err := o.far.Listen("", "")
	if err != nil {
		t.Fatal(err)
	}
	if o.forge, err = gitlabsim.Start(gitlabsim.Options{On: on, Dir: o.dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.forge.Close() })
	o.forge.AddUser("provost", "glpat-bot", "api", "read_repository")
	o.forge.ServeRepository("cri/campus", "main", filepath.Join(o.dir, "repo", ".git"))
}

func (o *office) startWindows(t *testing.T) {
	var err error
	o.dc, err = winsim.Start(winsim.Options{
		Name: "dc1", Domain: winsim.NewDomain("isima.fr"), CommandLine: windows.CommandLine(), Scripts: windows.Scripts(), Latency: winrmTakes,
		Listen: func() (net.Listener, error) { return o.far.Listen("", "") },
		Users:  []winsim.User{{Name: "svc", Password: "only in memory", Groups: []string{winsim.DNSAdmins, winsim.DHCPAdministrators}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.dc.Close)
	at := netip.MustParseAddr
	if err := o.dc.AddScope(winsim.Scope{ID: at("10.1.0.0"), Start: at("10.1.0.20"), End: at("10.1.255.250"), Mask: at("255.255.0.0"), Name: "students"}); err != nil {
		t.Fatal(err)
	}
	o.dc.EnableFilterList(true, false)
	o.dc.AddZone("etu.isima.fr")
	o.dc.AddZone("srv.isima.fr")
}

// campus declares n students' machines, with limits that allow them.
func (o *office) campus(n int) projects.Tree {
	tree := projects.Tree{"campus.yaml": o.row.tree()["campus.yaml"], "policies/limits.yaml": {Data: []byte(pushLimits)}}
	if n == 0 {
		return tree
	}
	var students strings.Builder
	for i := range n {
		fmt.Fprintf(&students, "- {login: s%03d, name: Hélène MARTIN-%d}\n", i, i)
	}
	tree["cohorts/zz1.yaml"] = projects.File{Data: []byte(lines(
		"apiVersion: provost/v1", "kind: Cohort", "title: ZZ1", "cluster: cri",
		fmt.Sprintf("template: {kind: ct, base: desktop, cores: 1, memory: 512, disk: %d, bridge: students, zone: etu.isima.fr}", o.row.diskGiB()),
		"students:") + students.String())}
	return tree
}

const pushLimits = `apiVersion: provost/v1
kind: Limits
quotas: {student: {default: {guests: 1, memory: 1 GiB}}, cohort: {default: {guests: 1000}}}
names: [{for: cohort/*, like: "vm-{student}"}]
`

// daemon is the loop with everything that it talks to; stop ends and closes all.
func (o *office) daemon(t *testing.T, mode reconciler.ApplyMode) (run, stop func()) {
	quiet := slog.New(slog.DiscardHandler)
	token := o.file("secrets/gitlab-token", "glpat-bot\n")
	wire := &http.Transport{DialContext: o.far.Dial}
	repo, err := git.New(git.Config{URL: o.forge.URL() + "/cri/campus.git", Branch: "main", TokenFile: token, Transport: wire}, filepath.Join(o.dir, "mirror"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	api := &http.Transport{DialContext: o.far.Dial}
	statuses, err := gitlab.New(forge.Config{URL: o.forge.URL(), Project: "cri/campus", Branch: "main", TokenFile: token,
		Transport: &slowForge{base: api, noted: o.note}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	source := sources.New(repo, statuses, quiet)
	ad, err := windows.New("ad", "isima", windows.Config{
		User: "svc", PasswordFile: o.file("secrets/windows", "only in memory\n"), CAFile: o.file("secrets/windows-ca.pem", string(o.dc.CACert())),
		DNS:  windows.DNSConfig{Servers: []string{o.dc.Addr()}, Zones: []string{"etu.isima.fr", "srv.isima.fr"}},
		DHCP: windows.DHCPConfig{Servers: []string{o.dc.Addr()}, Scopes: []string{"10.1.0.0"}}, Dial: o.far.Dial,
	}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	rec := &reconciler.Reconciler{
		Source: source, Policy: policies.New(quiet), Guard: plan.DefaultLimits, Log: quiet,
		Systems: map[string]reconciler.Managed{
			"cri": {System: o.cluster(t), Apply: mode},
			"ad":  {System: ad, Apply: mode},
		},
	}
	trigger := make(chan struct{}, 1)
	hooks := o.receive(t, func() {
		select {
		case trigger <- struct{}{}:
		default:
		}
	})
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	run = func() {
		rec.Run(ctx, time.Hour, trigger)
		close(ended)
	}
	return run, func() {
		end()
		<-ended
		hooks.Close()
		source.Close(t.Context()) //nolint:errcheck // what it could not write was not waited for
		ad.Close()
		api.CloseIdleConnections()
		wire.CloseIdleConnections()
	}
}

// receive serves the webhook.
func (o *office) receive(t *testing.T, trigger func()) *http.Server {
	l, err := o.far.Listen("", "")
	if err != nil {
		t.Fatal(err)
	}
	o.hook = "http://" + l.Addr().String() + "/webhook"
	server := &http.Server{Handler: webhook.New(o.file("secrets/hook", "a secret\n"), trigger, slog.New(slog.DiscardHandler))}
	go server.Serve(l) //nolint:errcheck // ends with Close
	return server
}

// call is the forge's word of a push.
func (o *office) call(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.hook, strings.NewReader(`{"object_kind":"push","ref":"refs/heads/main"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Gitlab-Event", "Push Hook")
	req.Header.Set("X-Gitlab-Token", "a secret")
	wire := &http.Transport{DialContext: o.far.Dial}
	defer wire.CloseIdleConnections()
	resp, err := wire.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the webhook was answered with %s", resp.Status)
	}
}

// note takes down when a status was written.
func (o *office) note(req *http.Request) {
	if req.Method != http.MethodPost || !strings.Contains(req.URL.Path, "/statuses/") {
		return
	}
	body, err := req.GetBody()
	if err != nil {
		o.t.Error(err)
		return
	}
	var status struct{ Name, Context, State string }
	if err := json.NewDecoder(body).Decode(&status); err != nil {
		o.t.Error(err)
		return
	}
	o.heard <- cmp.Or(status.Name, status.Context) + " " + status.State
}

// forget drops what was heard up to now.
func (o *office) forget() {
	o.answer = map[string]time.Time{}
	for len(o.heard) > 0 {
		<-o.heard
	}
}

// until waits for statuses.
func (o *office) until(want ...string) {
	for len(want) > 0 {
		select {
		case key := <-o.heard:
			o.answer[key] = time.Now()
			want = slices.DeleteFunc(want, func(w string) bool { return w == key })
		case <-time.After(time.Hour):
			o.t.Fatalf("nobody said %q, only %v", want, o.answer)
		}
	}
}
