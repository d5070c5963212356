package pvesim

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// Options says what cluster to play. The zero value is one node "pve1" of
// release 9.1 whose tasks take no time, on loopback sockets.
type Options struct {
	Nodes   []string // names; one HTTPS and one SSH listener each
	Release string   // "9.1" or "8.4"
	Costs   Costs    // how long things take

	// Addr is where the first node's API listens; the other nodes' are on the
	// ports after it. Without it, or with port 0, they are where there is room.
	Addr string
	// Listen makes the listeners, so that a test can have them in memory.
	// The default is net.Listen on 127.0.0.1:0.
	Listen func(network, addr string) (net.Listener, error)

	NoSSH      bool
	StatDelay  time.Duration // pvestatd's round; 0: Costs.Stat, or if that is 0 too /cluster/resources is always current
	LoginDelay time.Duration // before a 401; the real one takes 3 s
	Unlogged   bool          // keep out of the request log: for tests that err on purpose
	Seed       uint64        // of MAC addresses, UUIDs and process numbers
	Logger     *slog.Logger
}

// Cluster is a running double. All its methods may be called at any time from
// any goroutine.
type Cluster struct {
	opts  Options
	api   schema.API
	log   *slog.Logger
	ca    []byte
	tls   *tls.Config
	host  ssh.Signer
	ctx   context.Context
	stop  context.CancelFunc
	group sync.WaitGroup

	// mu guards all that follows and is never held while anything waits: a
	// mutex held across a sleep would stop the clock of testing/synctest.
	mu        sync.Mutex
	costs     Costs
	rng       *rand.Rand
	nodes     []*node
	guests    map[int]*guest
	pools     map[string]*pool
	storages  map[string]*storage
	bridges   map[string]bool
	users     map[string]*user
	tokens    map[string]*token
	sshKeys   []ssh.PublicKey
	tasks     []*task
	started   int                  // tasks ever
	files     map[string]*fileLock // file locks by path
	stations  map[string]*station  // what tasks share, by name
	freed     chan struct{}        // closed and replaced when a file lock is freed
	options   map[string]string    // datacenter.cfg
	faults    []*fault
	requests  []Request
	forgotten []Request // by ForgetRequests
	sshReads  int
	version   int // of the newest guest file, as pmxcfs counts
}

// node is one member of the cluster, with its sockets.
type node struct {
	name    string
	down    bool
	https   *endpoint
	ssh     *endpoint
	booted  time.Time
	workers chan struct{}    // pvedaemon's three workers
	recent  []*task          // what it last told the cluster of its tasks
	last    []map[string]any // what of that the cluster has while it is down
	log     taskLog
}

// Start makes a cluster and serves it until Close.
func Start(opts Options) (*Cluster, error) {
	opts = withDefaults(opts)
	api, err := schema.Embedded(opts.Release)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		opts: opts, api: api, log: opts.Logger,
		costs:    opts.Costs,
		rng:      rand.New(rand.NewPCG(opts.Seed, 0x50f7)),
		guests:   map[int]*guest{},
		pools:    map[string]*pool{},
		storages: map[string]*storage{},
		bridges:  map[string]bool{"vmbr0": true},
		users:    map[string]*user{"root@pam": {}},
		tokens:   map[string]*token{},
		files:    map[string]*fileLock{},
		stations: map[string]*station{},
		freed:    make(chan struct{}),
		options:  map[string]string{},
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	if err := c.makeKeys(); err != nil {
		return nil, err
	}
	for i, name := range opts.Nodes {
		if err := c.addNode(i, name); err != nil {
			c.Close()
			return nil, err
		}
	}
	if opts.StatDelay > 0 {
		c.group.Go(c.pvestatd)
	}
	return c, nil
}

func withDefaults(o Options) Options {
	if len(o.Nodes) == 0 {
		o.Nodes = []string{"pve1"}
	}
	if o.Release == "" {
		o.Release = "9.1"
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	if o.StatDelay == 0 {
		o.StatDelay = o.Costs.Stat
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// nodeAddr is where the node of that number serves its API.
func nodeAddr(first string, i int) (string, error) {
	host, service, err := net.SplitHostPort(first)
	if err != nil {
		return "", err
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return "", fmt.Errorf("address %s: %q is no port", first, service)
	}
	if port > 0 {
		port += i
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// addNode opens a node's sockets. The port 0 lets the system choose.
func (c *Cluster) addNode(i int, name string) error {
	n := &node{name: name, booted: time.Now(), workers: make(chan struct{}, 3)}
	addr, err := nodeAddr(c.opts.Addr, i)
	if err != nil {
		return fmt.Errorf("cannot listen for %s: %w", name, err)
	}
	l, err := c.opts.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen for %s: %w", name, err)
	}
	n.https = newEndpoint(l)
	c.group.Go(func() { n.https.serve(func(conn net.Conn) { c.serveHTTPS(n, conn) }) })
	if !c.opts.NoSSH {
		if l, err = c.opts.Listen("tcp", "127.0.0.1:0"); err != nil {
			n.https.close()
			return fmt.Errorf("cannot listen for SSH of %s: %w", name, err)
		}
		n.ssh = newEndpoint(l)
		c.group.Go(func() { n.ssh.serve(func(conn net.Conn) { c.serveSSH(n, conn) }) })
	}
	c.nodes = append(c.nodes, n)
	return nil
}

// Close ends all tasks and connections and waits for them. If the environment
// names a directory in PROVOST_REQUEST_LOG, the requests are written there.
func (c *Cluster) Close() {
	c.stop()
	for _, n := range c.nodes {
		n.https.close()
		if n.ssh != nil {
			n.ssh.close()
		}
	}
	c.group.Wait()
	if err := c.writeRequestLog(); err != nil {
		c.log.Error("cannot write the request log", "error", err)
	}
}

// URLs returns the address of each node's API, in the order of Options.Nodes,
// without the path /api2/json.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, n := range c.nodes {
		urls = append(urls, "https://"+n.https.addr())
	}
	return urls
}

// CACert returns the PEM of the authority that signed the nodes' certificates.
func (c *Cluster) CACert() []byte { return slices.Clone(c.ca) }

// SSHAddr returns host:port of the first node's SSH server, "" if there is none.
func (c *Cluster) SSHAddr() string {
	for _, addr := range c.SSHAddrs() {
		return addr
	}
	return ""
}

// SSHAddrs returns host:port of each node's SSH server; they share a host key.
func (c *Cluster) SSHAddrs() []string {
	var addrs []string
	for _, n := range c.nodes {
		if n.ssh != nil {
			addrs = append(addrs, n.ssh.addr())
		}
	}
	return addrs
}

// SSHHostKey returns the host key of the SSH servers.
func (c *Cluster) SSHHostKey() ssh.PublicKey { return c.host.PublicKey() }

// AuthorizeSSH lets a key in, for the forced command only.
func (c *Cluster) AuthorizeSSH(key ssh.PublicKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sshKeys = append(c.sshKeys, key)
}

func (c *Cluster) node(name string) *node {
	for _, n := range c.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// SetCosts changes how long things take from now on.
func (c *Cluster) SetCosts(costs Costs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.costs = costs
}

// sleep waits without holding anything; false means that the cluster closes.
func (c *Cluster) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	costs := c.costsNow()
	t := time.NewTimer(costs.real(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}
