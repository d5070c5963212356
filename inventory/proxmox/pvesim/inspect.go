package pvesim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// Guest is a guest as a test describes it or looks at it.
type Guest struct {
	VMID     int
	Node     string
	Type     string // "lxc" or "qemu"
	Name     string // read only: Config has hostname or name
	Config   map[string]string
	Raw      [][2]string // lxc.* lines
	Status   string      // "running" or "stopped"
	Lock     string      // read only: Config has lock
	Template bool
	Pool     string
	Version  int // of its file, as in .vmlist; read only
}

// Request is one request that reached the API.
type Request struct {
	At      time.Time         `json:"at"`
	Release string            `json:"release"` // of the cluster that was asked
	Via     string            `json:"via"`     // the node that was asked
	Method  string            `json:"method"`
	Path    string            `json:"path"` // without /api2/json
	Params  map[string]string `json:"params,omitempty"`
	Refs    map[string]string `json:"refs,omitempty"` // JSON objects and arrays: HASH or ARRAY
	Status  int               `json:"status"`
	Reason  string            `json:"reason"`
}

// Guests returns all guests, by VMID.
func (c *Cluster) Guests() []Guest {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Guest
	for _, g := range c.sortedGuests() {
		all = append(all, c.describe(g))
	}
	return all
}

// Guest returns one guest.
func (c *Cluster) Guest(vmid int) (Guest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.guests[vmid]
	if g == nil {
		return Guest{}, false
	}
	return c.describe(g), true
}

func (c *Cluster) describe(g *guest) Guest {
	return Guest{
		VMID: g.vmid, Node: g.node.name, Type: g.kind, Name: g.name(), Config: maps.Clone(g.conf.Values),
		Raw: slices.Clone(g.conf.Raw), Status: g.status(), Lock: g.lock(), Template: g.template(),
		Pool: c.poolOf(g.vmid), Version: g.version,
	}
}

// File returns a guest's file as it is on disk, "" if there is none.
func (c *Cluster) File(vmid int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guests[vmid]; g != nil {
		return g.conf.String()
	}
	return ""
}

// Digest sums up all guests that a filter picks, nil picks all: their files,
// nodes, pools and states. It is equal as long as nobody has touched them.
func (c *Cluster) Digest(filter func(Guest) bool) string {
	sum := sha256.New()
	for _, g := range c.Guests() {
		if filter == nil || filter(g) {
			fmt.Fprintf(sum, "%d %s %s %s %s %d\n%s\n", g.VMID, g.Type, g.Node, g.Pool, g.Status, g.Version, c.File(g.VMID))
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Requests returns all requests so far.
func (c *Cluster) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// SSHReads counts the commands that came over SSH.
func (c *Cluster) SSHReads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sshReads
}

// ForgetRequests starts the counts anew; what was forgotten still reaches the
// request log.
func (c *Cluster) ForgetRequests() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten = append(c.forgotten, c.requests...)
	c.requests, c.sshReads = nil, 0
}

func (c *Cluster) logAnswer(r Request, resp response) {
	r.Status, r.Reason = resp.status, resp.reason
	c.log.Debug("request", "method", r.Method, "path", r.Path, "status", r.Status, "reason", r.Reason)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r)
}

// writeRequestLog appends all requests as JSON lines to a file of this cluster
// in the directory that PROVOST_REQUEST_LOG names, so that one test can judge
// what a whole test suite has sent.
func (c *Cluster) writeRequestLog() error {
	dir := os.Getenv("PROVOST_REQUEST_LOG")
	if dir == "" || c.opts.Unlogged {
		return nil
	}
	f, err := os.CreateTemp(dir, "pvesim-"+c.opts.Release+"-*.jsonl")
	if err != nil {
		return err
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range slices.Concat(c.forgotten, c.requests) {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return f.Close()
}
