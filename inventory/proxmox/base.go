package proxmox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// A guest is made from a base: a guest that is a template ("template:<name or
// VMID>"), or an OS template in a storage ("ostemplate:<storage>:<prefix>").

// clonePlan says what to clone, and how.
type clonePlan struct {
	source  template
	full    bool
	target  string // node, when it is not the source's
	storage string // for a full clone
}

// cloneSources are the guests that r can be cloned from, out of the last
// listing: templates on r's node before those on a shared storage, and the
// copies of these that were made to clone from.
func (v view) cloneSources(r inventory.Resource) ([]template, error) {
	originals, err := v.originals(r)
	if err != nil {
		return nil, err
	}
	sources := originals
	for _, t := range originals {
		for _, copied := range v.copies[t.vmid] {
			if v.reaches(copied, r) && copied.of == t.print {
				sources = append(sources[:len(sources):len(sources)], copied)
			}
		}
	}
	var stuck string
	sources = slices.DeleteFunc(slices.Clone(sources), func(t template) bool {
		if t.stuck != "" {
			stuck = t.stuck
		}
		return t.stuck != ""
	})
	if len(sources) == 0 {
		return nil, errors.New(stuck)
	}
	return sources, nil
}

// originals are the templates themselves that r can be cloned from.
func (v view) originals(r inventory.Resource) ([]template, error) {
	want := strings.TrimPrefix(r.Attrs["create.base"], "template:")
	node, typ := r.Attrs["node"], r.Attrs["type"]
	var named, here, shared []template
	for _, t := range v.templates {
		if t.vmid != want && t.name != want || t.typ != typ {
			continue
		}
		named = append(named, t)
		switch {
		case t.node == node:
			here = append(here, t)
		case v.storages[storageKey(t.node, t.storage)].shared && v.nodes[t.node]:
			shared = append(shared, t)
		}
	}
	if len(named) == 0 {
		return nil, fmt.Errorf("there is no %s template %q; there are %s", typ, want, v.templateNames(typ))
	}
	usable := here
	if len(usable) == 0 {
		usable = shared
	}
	if len(usable) == 0 {
		t := named[0]
		return nil, fmt.Errorf("template %q (%s) is on node %s and its disk on storage %s, which %s does not share: "+
			"put a template of that name on %s, or the disk on a shared storage", want, t.vmid, t.node, t.storage, node, node)
	}
	return usable, nil
}

// reaches reports whether a copy can be cloned to where r is to be. A linked
// clone needs a template, which a copy is not.
func (v view) reaches(copied template, r inventory.Resource) bool {
	to := r.Attrs["storage"]
	if to == "" {
		to = copied.storage
	}
	near := copied.node == r.Attrs["node"] ||
		v.nodes[copied.node] && v.shared(copied.node, copied.storage) && v.shared(copied.node, to)
	return near && r.Attrs["create.clone"] != "linked"
}

func (v view) shared(node, storage string) bool { return v.storages[storageKey(node, storage)].shared }

// planClone is how r would be cloned if it were the only one.
func (v view) planClone(r inventory.Resource) (clonePlan, error) {
	sources, err := v.originals(r)
	if err != nil {
		return clonePlan{}, err
	}
	p := planFrom(r, sources[0])
	return p, p.check(r)
}

func planFrom(r inventory.Resource, source template) clonePlan {
	p := clonePlan{source: source, full: r.Attrs["create.clone"] != "linked"}
	if node := r.Attrs["node"]; source.node != node {
		p.target = node
	}
	if p.full {
		p.storage = r.Attrs["storage"]
	}
	return p
}

func (p clonePlan) check(r inventory.Resource) error {
	t, storage := p.source, r.Attrs["storage"]
	if !p.full && storage != "" && storage != t.storage {
		return fmt.Errorf("a linked clone of template %s stays on its storage %s and cannot be on %s: ask for a full clone", t.vmid, t.storage, storage)
	}
	if want, ok := parseGiB(r.Attrs["disk"] + "G"); ok && want < t.disk {
		return fmt.Errorf("disk cannot shrink from %s to %s GiB: template %s is that large", formatGiB(t.disk), formatGiB(want), t.vmid)
	}
	return nil
}

func (v view) templateNames(typ string) string {
	var names []string
	for _, t := range v.templates {
		if t.typ == typ {
			names = append(names, fmt.Sprintf("%s (%s on %s)", t.name, t.vmid, t.node))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// splitImage takes "ostemplate:<storage>:<prefix>" apart.
func splitImage(base string) (storage, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(base, "ostemplate:")
	storage, prefix, cut := strings.Cut(rest, ":")
	return storage, prefix, ok && cut && storage != "" && prefix != ""
}

// image finds the OS template that r is made from. A storage's images are listed
// once a pass, and only when something is to be made from them.
func (c *Cluster) image(ctx context.Context, r inventory.Resource) (volid string, err error) {
	storage, prefix, ok := splitImage(r.Attrs["create.base"])
	if !ok {
		return "", failf("cannot read base %q: it should be ostemplate:<storage>:<prefix>", r.Attrs["create.base"])
	}
	node := r.Attrs["node"]
	images, err := c.images(ctx, node, storage)
	if err != nil {
		return "", err
	}
	volid, err = chooseImage(images, prefix)
	if err != nil {
		return "", failf("cannot choose an OS template of storage %s on %s: %v", storage, node, err)
	}
	return volid, nil
}

// images lists a storage's OS templates, once for all nodes that share it. Whoever
// asks while that is under way waits for the same answer.
func (c *Cluster) images(ctx context.Context, node, storage string) ([]string, error) {
	place := storageKey(node, storage)
	if c.look().shared(node, storage) {
		place = storageKey("", storage)
	}
	for {
		c.mu.Lock()
		images, known := c.view.images[place]
		busy, asking := c.imaging[place]
		if !known && !asking {
			busy = make(chan struct{})
			c.imaging[place] = busy
		}
		c.mu.Unlock()
		switch {
		case known:
			return images, nil
		case !asking:
			return c.listImages(ctx, node, storage, place, busy)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *Cluster) listImages(ctx context.Context, node, storage, place string, done chan struct{}) ([]string, error) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.imaging, place)
		close(done)
	}()
	var content []struct {
		VolID string `json:"volid"`
	}
	if _, err := c.api.get(ctx, "/nodes/"+node+"/storage/"+storage+"/content?content=vztmpl", &content); err != nil {
		return nil, err
	}
	var images []string
	for _, entry := range content {
		images = append(images, entry.VolID)
	}
	c.rememberImages(place, images)
	return images, nil
}

// chooseImage finds the newest image whose name begins with prefix. More than one
// name (debian-12-standard, debian-12-turnkey) is an error, unless one of them is
// just the prefix.
func chooseImage(volids []string, prefix string) (string, error) {
	byName := map[string][]string{}
	for _, volid := range volids {
		if file := path.Base(volid); strings.HasPrefix(file, prefix) {
			byName[imageName(file)] = append(byName[imageName(file)], volid)
		}
	}
	names := sortedKeys(byName)
	if exact, ok := byName[prefix]; ok {
		byName, names = map[string][]string{prefix: exact}, []string{prefix}
	}
	switch len(names) {
	case 0:
		return "", fmt.Errorf("none begins with %q", prefix)
	case 1:
		return slices.MaxFunc(byName[names[0]], func(a, b string) int {
			if n := compareVersions(imageVersion(path.Base(a)), imageVersion(path.Base(b))); n != 0 {
				return n
			}
			return strings.Compare(a, b)
		}), nil
	default:
		return "", fmt.Errorf("%q fits more than one: %s", prefix, strings.Join(names, ", "))
	}
}

// An image is called name_version_arch.tar.zst.
func imageName(file string) string { name, _, _ := strings.Cut(file, "_"); return name }

func imageVersion(file string) string {
	_, rest, _ := strings.Cut(file, "_")
	version, _, _ := strings.Cut(rest, "_")
	return version
}

// compareVersions orders "12.5-1" before "12.10-1": numbers by value, all else
// byte by byte.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		an, bn := digits(a), digits(b)
		if an == "" || bn == "" {
			if a == "" || b == "" || a[0] != b[0] {
				return strings.Compare(a, b)
			}
			a, b = a[1:], b[1:]
			continue
		}
		a, b = a[len(an):], b[len(bn):]
		an, bn = strings.TrimLeft(an, "0"), strings.TrimLeft(bn, "0")
		if len(an) != len(bn) {
			return len(an) - len(bn)
		}
		if n := strings.Compare(an, bn); n != 0 {
			return n
		}
	}
	return 0
}

func digits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}
