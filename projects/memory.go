package projects

import (
	"bytes"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// Memory loads trees and remembers the last one, so that a pass over what was
// declared before costs a comparison, and one over a commit that changes a few
// files costs the reading of these. It compares all content and trusts no commit's
// name; a tree that was compared must not be written to any more. It keeps one
// campus alive, which nearly always is the one that is in use. The zero Memory is
// ready, and may be used concurrently.
type Memory struct {
	last atomic.Pointer[memorized]
}

type memorized struct {
	tree   Tree
	campus *Campus
}

// Load is the campus that [Load] would give.
func (m *Memory) Load(tree Tree) *Campus { return m.LoadAt(tree, time.Time{}) }

// LoadAt is the campus that [LoadAt] would give.
func (m *Memory) LoadAt(tree Tree, now time.Time) *Campus {
	last := m.last.Load()
	if last != nil && last.campus.holdsAt(now) && alike(last.tree, tree) {
		return last.campus
	}
	campus := load(tree, now, last.units(tree))
	m.last.Store(&memorized{tree, campus})
	return campus
}

// alike reports whether two trees have the same files.
func alike(a, b Tree) bool { return maps.EqualFunc(a, b, same) }

// same reports whether two files are. Where a source hands out the same bytes
// again, their address decides, whatever their length.
func same(x, y File) bool { return x.Refused == y.Refused && bytes.Equal(x.Data, y.Data) }

// units are the remembered ones that read the same in another tree, by path. What
// they are read against must be there unchanged, and must be sound: of what they
// found wrong with it, nothing would be told again.
func (m *memorized) units(tree Tree) map[string]*unit {
	if m == nil || !m.campus.soundAround() || !alike(around(m.tree), around(tree)) {
		return nil
	}
	units := make(map[string]*unit, len(m.campus.units))
	for _, u := range m.campus.units {
		if f, there := tree[u.path]; there && same(f, m.tree[u.path]) {
			units[u.path] = u
		}
	}
	return units
}

// around is what units are read against.
func around(tree Tree) Tree {
	rest := Tree{}
	for p, f := range tree {
		if p == campusFile || keySetName(p) != "" || isRoster(p) {
			rest[p] = f
		}
	}
	return rest
}

// soundAround reports whether nothing is wrong with what units are read against.
func (c *Campus) soundAround() bool {
	units := map[*file]bool{}
	for _, u := range c.units {
		units[u.file] = true
	}
	return c.settings != nil && !slices.ContainsFunc(c.files, func(f *file) bool {
		return !units[f] && f.broken() != ""
	})
}

// reuse takes a unit over that was read before. What other files of then had to
// do with its problems is left behind, and what it claims is claimed again. The
// unit itself is that of another campus too, and not written to.
func (c *Campus) reuse(known *unit) {
	u := *known
	u.file = &file{path: known.path, owner: known.owner, text: known.text, problems: slices.Clip(known.problems[:known.own])}
	u.settings, u.keys, u.claims = c.settings, c.keys, c.claims
	c.files, c.units = append(c.files, u.file), append(c.units, &u)
	if r := c.rosters[u.roster]; r != nil {
		r.use(&u)
	}
	for i := range u.machines {
		for _, claim := range u.machines[i].claims {
			u.claims.enter(claim, &u)
		}
	}
}

// holdsAt reports whether the same cohorts are over at a moment as when the tree
// was loaded.
func (c *Campus) holdsAt(now time.Time) bool {
	return !slices.ContainsFunc(c.units, func(u *unit) bool { return u.over != u.term.over(now) })
}
