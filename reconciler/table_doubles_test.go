package reconciler_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// tree declares the machines of a row: one project of them all or, for a mixed
// semester, a cohort and many projects.
func (r row) tree() projects.Tree {
	tree := projects.Tree{"campus.yaml": {Data: []byte(lines(
		"apiVersion: provost/v1", "kind: Campus", "name: isima",
		fmt.Sprintf("clusters: {cri: {vmids: %d-%d, nodes: [%s], defaults: {storage: disks, pool: lab}}}", firstVMID, lastVMID, strings.Join(r.nodes(), ", ")),
		"networks:",
		"  servers: {cluster: cri, bridge: vmbr0, cidr: 10.0.0.0/16, gateway: 10.0.0.1}",
		"  students: {cluster: cri, bridge: vmbr1, cidr: 10.1.0.0/16, gateway: 10.1.0.1, dhcp: {system: ad}}",
		"zones:", "  etu.isima.fr: {system: ad}", "  srv.isima.fr: {system: ad}"))}}
	students := ""
	servers := make([][2]string, r.projects()) // of containers and of machines
	for i, w := range r.wanted() {
		if r.mix == mixed && w.how == fullClones {
			students += fmt.Sprintf("- {login: %s, node: %s}\n", w.name, w.node)
			continue
		}
		kind, base := 0, map[string]string{
			fullClones: "desktop", images: "'images:debian-12-standard'", linkedClones: "desktop, clone: linked", linkedMachines: "cloud, clone: linked",
		}[w.how]
		if w.how == linkedMachines {
			kind = 1
		}
		name, dns := w.name, "none"
		if r.mix == mixed {
			name, dns = w.name+".srv.isima.fr", "managed"
		}
		ip := netip.AddrFrom4([4]byte{10, 0, byte(1 + i/200), byte(2 + i%200)})
		servers[i%len(servers)][kind] += fmt.Sprintf("- {hostname: %s, node: %s, base: %s, cores: 1, memory: 512, disk: %d, net0: servers, ip: %s/16, dns: %s}\n",
			name, w.node, base, r.diskGiB(), ip, dns)
	}
	if students != "" {
		tree["cohorts/zz1.yaml"] = projects.File{Data: []byte(lines(
			"apiVersion: provost/v1", "kind: Cohort", "title: ZZ1", "cluster: cri",
			fmt.Sprintf("template: {kind: ct, base: desktop, hostname: '{login}', cores: 1, memory: 512, disk: %d, bridge: students, zone: etu.isima.fr}", r.diskGiB()),
			"students:") + students)}
	}
	for i, lists := range servers {
		text := "cluster: cri\n"
		for kind, name := range []string{"ct", "vm"} {
			if lists[kind] != "" {
				text += name + ":\n" + lists[kind]
			}
		}
		if strings.Contains(text, ":\n-") {
			tree[fmt.Sprintf("projects/p%02d.yaml", i)] = projects.File{Data: []byte(text)}
		}
	}
	return tree
}

// fixed is a repository with one commit.
type fixed struct{ tree projects.Tree }

func (f fixed) Latest(context.Context) (reconciler.Snapshot, error) {
	return reconciler.Snapshot{Commit: "c0ffee00c0ffee00", Branch: "main", Tree: f.tree}, nil
}

func (fixed) Proposals(context.Context, reconciler.Snapshot) ([]reconciler.Proposal, error) {
	return nil, nil
}

func (fixed) SetStatus(context.Context, string, reconciler.Status) error { return nil }

type allowAll struct{}

func (allowAll) Check(context.Context, reconciler.PolicyInput) ([]reconciler.Violation, error) {
	return nil, nil
}

// instant is DNS and DHCP that take no time.
type instant struct {
	mu     sync.Mutex
	things map[inventory.Key]inventory.Resource
}

func (s *instant) List(context.Context) (inventory.Listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return inventory.Listing{Items: slices.Collect(maps.Values(s.things))}, nil
}

func (s *instant) Apply(_ context.Context, changes []inventory.Change, _ func(inventory.Event)) (out []inventory.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.things == nil {
		s.things = map[inventory.Key]inventory.Resource{}
	}
	for _, c := range changes {
		delete(s.things, c.Key)
		if c.After != nil {
			s.things[c.Key] = *c.After
		}
		out = append(out, inventory.Outcome{Key: c.Key, State: inventory.StateDone})
	}
	return out
}

// wire counts the calls that a client makes, and lets some fail at once.
type wire struct {
	base  http.RoundTripper
	seed  uint64
	share float64 // of the calls that fail

	mu    sync.Mutex
	calls int
	same  map[string]int // calls that read alike
}

// faultShare is what "2 % of all calls" means.
const faultShare = 0.02

func (w *wire) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// RoundTrip fails a call by what it says and how often it was said before, so
// that the order of calls of one instant does not matter.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil && w.share > 0 {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(data)
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(strings.NewReader(body))
	}
	key := req.Method + " " + req.URL.Path + " " + body
	w.mu.Lock()
	if w.same == nil {
		w.same = map[string]int{}
	}
	w.calls++
	w.same[key]++
	draw := drawn(w.seed, fmt.Sprint(key, w.same[key]))
	w.mu.Unlock()
	switch {
	case draw >= w.share:
		return w.base.RoundTrip(req)
	case draw < w.share/3:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case draw < w.share*2/3:
		return refusal(req, "503 Service Unavailable"), nil
	}
	return refusal(req, "500 cluster not ready - no quorum?"), nil
}

func refusal(req *http.Request, status string) *http.Response {
	code := 500
	fmt.Sscan(status, &code)
	return &http.Response{
		Status: status, StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}
}

// drawn is a number from 0 to 1 that hangs on seed and key alone.
func drawn(seed uint64, key string) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", seed, key)
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
