package proxmox

import (
	"context"
	"time"
)

// glance is a look at guests' status that several share: those that were started
// at once, or whose tasks were seen ended by one poll, are looked at by one
// request for their node.
type glance struct {
	done chan struct{}
	only ref             // who it is for, if for one
	many bool            // somebody else joined
	seen map[string]line // by VMID
}

// glancePause is how long the first waits for others.
const glancePause = 100 * time.Millisecond

// glance tells a guest's name, tags and status as they are now.
func (c *Cluster) glance(ctx context.Context, r ref) (line, bool) {
	place := at{r.node, r.typ}
	c.mu.Lock()
	g, joined := c.glances[place]
	if joined {
		g.many = true
	} else {
		g = &glance{done: make(chan struct{}), only: r}
		c.glances[place] = g
		// It is everybody's: it does not end with the first one's context.
		go c.lookOnce(context.WithoutCancel(ctx), place, g)
	}
	c.mu.Unlock()
	select {
	case <-g.done:
	case <-ctx.Done():
		return line{}, false
	}
	l, ok := g.seen[r.vmid]
	return l, ok
}

func (c *Cluster) lookOnce(ctx context.Context, place at, g *glance) {
	defer close(g.done)
	time.Sleep(glancePause)
	c.mu.Lock()
	delete(c.glances, place) // whoever comes now gets a newer look
	many := g.many
	c.mu.Unlock()
	if many {
		g.seen = c.guestsAt(ctx, place)
		return
	}
	var now line
	if _, err := c.api.get(ctx, g.only.path()+"/status/current", &now); err == nil {
		g.seen = map[string]line{g.only.vmid: now}
	}
}
