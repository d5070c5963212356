package git

import (
	"context"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/sources"
)

// difference lists what two trees do not share. Folders that are the same on
// both sides are not opened: what a commit changes costs what it changes.
type difference struct{ before, after lister }

func (d *difference) walk(a, b *object.Tree, dir string, depth int) error {
	was, fine := byName(a)
	is, too := byName(b)
	if !fine || !too {
		if err := d.before.walk(a.Hash, dir, depth); err != nil {
			return err
		}
		return d.after.walk(b.Hash, dir, depth)
	}
	for name, old := range was {
		now, there := is[name]
		switch {
		case there && old == now:
		case there && old.Mode == filemode.Dir && now.Mode == filemode.Dir && validName(name):
			if err := d.into(old, now, path.Join(dir, name), depth+1); err != nil {
				return err
			}
		default:
			if err := d.before.add(old, dir, depth); err != nil {
				return err
			}
			if there {
				if err := d.after.add(now, dir, depth); err != nil {
					return err
				}
			}
		}
	}
	for name, now := range is {
		if _, there := was[name]; !there {
			if err := d.after.add(now, dir, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// into compares two folders.
func (d *difference) into(old, now object.TreeEntry, dir string, depth int) error {
	if depth > maxDepth {
		return d.before.walk(old.Hash, dir, depth) // which says that it is too deep
	}
	a, err := object.GetTree(d.before.st, old.Hash)
	if err != nil {
		return broken("folder "+path.Join("/", dir), err)
	}
	b, err := object.GetTree(d.after.st, now.Hash)
	if err != nil {
		return broken("folder "+path.Join("/", dir), err)
	}
	return d.walk(a, b, dir, depth)
}

// byName indexes a folder; false where a name stands in it twice.
func byName(t *object.Tree) (map[string]object.TreeEntry, bool) {
	names := make(map[string]object.TreeEntry, len(t.Entries))
	for _, e := range t.Entries {
		if _, twice := names[e.Name]; twice {
			return nil, false
		}
		names[e.Name] = e
	}
	return names, true
}

// read gives the paths that differ with their content on both sides.
func (d *difference) read(ctx context.Context, st store, known blobs) (c sources.Changes, err error) {
	paths := map[string]bool{}
	for _, side := range []entries{d.before.found, d.after.found} {
		for name := range side {
			paths[name] = paths[name] || differs(d.before.found, d.after.found, name)
		}
	}
	for name, differ := range paths {
		if differ {
			c.Paths = append(c.Paths, name)
		} else {
			delete(d.before.found, name)
			delete(d.after.found, name)
		}
	}
	slices.Sort(c.Paths)
	if c.Before, err = (blobs{}).read(ctx, st, d.before.found, known); err != nil {
		return sources.Changes{}, err
	}
	if c.After, err = (blobs{}).read(ctx, st, d.after.found, known); err != nil {
		return sources.Changes{}, err
	}
	return c, nil
}
