package pvesim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// call is one request on its way through a handler.
type call struct {
	c      *Cluster
	verb   string
	method *schema.Method
	who    *identity
	params map[string]string
	node   *node // where it runs, if its path names a node
	vmid   int   // if its path names a guest
	kind   string
	fault  fault // what a test wants to go wrong
}

func (k *call) has(name string) bool   { _, ok := k.params[name]; return ok }
func (k *call) str(name string) string { return k.params[name] }
func (k *call) on(name string) bool    { return k.params[name] == "1" }

// num returns an integer that the schema has already judged, or -1.
func (k *call) num(name string) int {
	n, err := strconv.Atoi(k.params[name])
	if err != nil {
		return -1
	}
	return n
}

// answer is the way of every request, in the real server's order: faults,
// login, method, permission, node, parameters, and then the handler.
func (c *Cluster) answer(n *node, req *http.Request, body []byte) response {
	path := strings.TrimPrefix(req.URL.EscapedPath(), "/api2/json")
	path = unescape(path)
	params, refs, err := readParams(req, body)
	c.sleep(c.put(requestKey(n, req.Method, path, params)))
	entry := Request{At: time.Now(), Release: c.opts.Release, Via: n.name, Method: req.Method, Path: path, Params: maps.Clone(params), Refs: refs}
	var resp response
	if err != nil {
		resp = failure(err)
	} else {
		resp = c.perform(n, req, path, params, refs)
	}
	c.logAnswer(entry, resp)
	return resp
}

// requestKey is what orders requests of one instant.
func requestKey(n *node, method, path string, params map[string]string) string {
	key := n.name + " " + method + " " + path
	for _, name := range slices.Sorted(maps.Keys(params)) {
		key += " " + name + "=" + params[name]
	}
	return key
}

func (c *Cluster) perform(n *node, req *http.Request, path string, params, refs map[string]string) response {
	f := c.takeFault(req.Method, path, params)
	switch f.Kind {
	case Refuse:
		return failure(&apiError{status: f.Status, reason: f.Reason})
	case Hang:
		<-c.ctx.Done()
		return response{drop: true}
	case DropBefore:
		return response{drop: true}
	}
	k, rt, err := c.admit(n, req, path, params, refs)
	if err != nil {
		if e, ok := err.(*apiError); ok && e.status == 401 {
			c.sleep(c.opts.LoginDelay)
		}
		return failure(err)
	}
	k.fault = f
	data, err := c.run(k, rt)
	if f.Kind == DropAnswer {
		return response{drop: true}
	}
	if err != nil {
		return failure(err)
	}
	return success(data)
}

// admit decides who asks, for what, whether he may and whether he asks well.
func (c *Cluster) admit(n *node, req *http.Request, path string, params, refs map[string]string) (*call, route, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !knownVerbs[req.Method] {
		return nil, route{}, &apiError{status: 501, reason: "method '" + req.Method + "' not available", silent: true}
	}
	method, pattern, vars := c.api.Find(req.Method, path)
	who, err := c.authenticate(req)
	if err != nil && (method == nil || method.Permissions.User != "world") {
		return nil, route{}, err
	}
	rt, ok := routes[req.Method+" "+pattern]
	if method == nil || !ok {
		reason := "Method '" + req.Method + " " + path + "' not implemented"
		return nil, route{}, &apiError{status: 501, reason: reason, bare: true}
	}
	maps.Copy(params, vars)
	k := &call{c: c, verb: req.Method, method: method, who: who, params: params}
	k.vmid, k.kind = k.num("vmid"), kindOf(pattern)
	if err := c.permit(k); err != nil {
		return nil, route{}, err
	}
	if err := k.proxy(n); err != nil {
		return nil, route{}, err
	}
	if errs := method.Check(params, refs); errs != nil {
		return nil, route{}, badParams(errs)
	}
	return k, rt, nil
}

var knownVerbs = map[string]bool{"GET": true, "POST": true, "PUT": true, "DELETE": true}

func kindOf(pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "/nodes/{node}/lxc"):
		return "lxc"
	case strings.HasPrefix(pattern, "/nodes/{node}/qemu"):
		return "qemu"
	}
	return ""
}

// proxy finds the node that a request is for; each node passes requests on to
// the others.
func (k *call) proxy(here *node) error {
	k.node = here
	name := k.str("node")
	if k.method.ProxyTo != "node" || name == "" || name == "localhost" || name == here.name {
		return nil
	}
	k.node = k.c.node(name)
	if k.node == nil {
		return die("hostname lookup '%s' failed - failed to get address info for: %s: Name or service not known", name, name)
	}
	if k.node.down {
		return &apiError{status: 595, reason: "No route to host", silent: true}
	}
	return nil
}

// run calls the handler under the cluster's lock, after what it costs and what
// it has to wait for. A waiting request keeps one of its node's workers.
func (c *Cluster) run(k *call, rt route) (any, error) {
	if k.method.Protected == 1 {
		select {
		case k.node.workers <- struct{}{}:
			defer func() { <-k.node.workers }()
		case <-c.ctx.Done():
			return nil, die("worker exit")
		}
	}
	if rt.early != nil {
		if err := c.locked(func() error { return rt.early(k) }); err != nil {
			return nil, err
		}
	}
	if rt.cost != nil && !c.sleep(c.requestCost(k, rt)) {
		return nil, die("worker exit")
	}
	if rt.locks {
		release, err := c.lockFile(k.guestFile(), true, 10*time.Second)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	var data any
	err := c.locked(func() (err error) { data, err = rt.handle(k); return err })
	return data, err
}

func (c *Cluster) requestCost(k *call, rt route) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return rt.cost(k)
}

func (c *Cluster) costsNow() Costs {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.costs
}

func (c *Cluster) locked(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f()
}
