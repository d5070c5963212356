package pvesim

import "time"

// fileLock is a flock on a node: shared by several or held by one.
type fileLock struct {
	shared    int
	exclusive bool
}

// tryFiles takes all locks or none. It is called under the cluster's lock, and
// so is the release that it returns.
func (c *Cluster) tryFiles(claims []fileClaim) (release func(), ok bool) {
	for _, f := range claims {
		if l := c.files[f.path]; l != nil && (l.exclusive || f.exclusive) {
			return nil, false
		}
	}
	for _, f := range claims {
		l := c.files[f.path]
		if l == nil {
			l = &fileLock{}
			c.files[f.path] = l
		}
		if l.exclusive = f.exclusive; !f.exclusive {
			l.shared++
		}
	}
	return func() { c.free(claims) }, true
}

func (c *Cluster) free(claims []fileClaim) {
	for _, f := range claims {
		l := c.files[f.path]
		if l.shared--; l.exclusive || l.shared <= 0 {
			delete(c.files, f.path)
		}
	}
	close(c.freed)
	c.freed = make(chan struct{})
}

// lockFiles takes a worker's locks one after another, each within its limit.
// It is called, as is the release, without the cluster's lock.
func (c *Cluster) lockFiles(claims []fileClaim) (release func(), err error) {
	var releases []func()
	release = func() {
		for _, r := range releases {
			r()
		}
	}
	for _, f := range claims {
		r, err := c.lockFile(f.path, f.exclusive, f.limit)
		if err != nil {
			return release, err
		}
		releases = append(releases, r)
	}
	return release, nil
}

// lockFile waits for one lock.
func (c *Cluster) lockFile(path string, exclusive bool, limit time.Duration) (release func(), err error) {
	claims := []fileClaim{{path: path, exclusive: exclusive}}
	costs := c.costsNow()
	timeout := time.NewTimer(costs.real(limit))
	defer timeout.Stop()
	for {
		c.mu.Lock()
		free, ok := c.tryFiles(claims)
		freed := c.freed
		c.mu.Unlock()
		if ok {
			return func() { c.locked(func() error { free(); return nil }) }, nil
		}
		select {
		case <-freed:
		case <-timeout.C:
			return nil, die("can't lock file '%s' - got timeout", path)
		case <-c.ctx.Done():
			return nil, die("worker exit")
		}
	}
}
