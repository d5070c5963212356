package pvesim

import "path"

// FaultKind is a way for a request to go wrong.
type FaultKind int

const (
	Refuse     FaultKind = iota + 1 // answer Status and Reason, do nothing
	Hang                            // never answer, do nothing
	DropBefore                      // close the connection, do nothing
	DropAnswer                      // do it, then close the connection
	FailTask                        // start the task, which then fails with Reason
	LoseWorker                      // 500 "got no worker upid": the locks stay, no task runs
)

// Fault tells the double to misbehave.
type Fault struct {
	Method string            // "" for any
	Path   string            // a path.Match pattern without /api2/json, as "/nodes/*/lxc/*/clone"
	Params map[string]string // that the request must carry with these values
	Skip   int               // let so many matching requests pass first
	Times  int               // how often; 0 means once, -1 for ever
	Kind   FaultKind
	Status int    // of a Refuse
	Reason string // of a Refuse or FailTask
}

type fault struct {
	Fault
	left int
}

// Inject adds a fault; the first that matches a request is used up by it.
func (c *Cluster) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := f.Times
	if left == 0 {
		left = 1
	}
	c.faults = append(c.faults, &fault{Fault: f, left: left})
}

// ClearFaults forgets the faults that are left.
func (c *Cluster) ClearFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

func (f *fault) wants(params map[string]string) bool {
	for name, value := range f.Params {
		if params[name] != value {
			return false
		}
	}
	return true
}

func (c *Cluster) takeFault(method, url string, params map[string]string) fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		ok, err := path.Match(f.Path, url)
		if err != nil || !ok || f.left == 0 || f.Method != "" && f.Method != method || !f.wants(params) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.left > 0 {
			f.left--
		}
		return *f
	}
	return fault{}
}
