package pvesim

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// configKeys returns the declared options of a kind of guest.
func (c *Cluster) configKeys(kind string) *schema.Method {
	return c.api["/nodes/{node}/"+kind+"/{vmid}/config"]["PUT"]
}

// present gives values the JSON types that the schema declares.
func (c *Cluster) present(kind string, values map[string]string) map[string]any {
	data := map[string]any{}
	keys := c.configKeys(kind)
	for name, value := range values {
		data[name] = value
		if name == "cipassword" {
			data[name] = "**********" // as the real server shows it
		}
		p := keys.Param(name)
		if p == nil || p.Type == "string" {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			data[name] = n
		}
	}
	return data
}

// merged is the configuration with what waits for a restart.
func (g *guest) merged() map[string]string {
	values := maps.Clone(g.conf.Values)
	if g.conf.Pending != nil {
		for name, value := range g.conf.Pending.Values {
			if name == "delete" {
				for _, gone := range schema.SplitList(value) {
					delete(values, gone)
				}
			} else {
				values[name] = value
			}
		}
	}
	return values
}

func (k *call) getConfig() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	values, raw := g.merged(), g.conf.Raw
	if k.on("current") {
		values = g.conf.Values
	}
	if name := k.str("snapshot"); name != "" {
		s := g.snapshot(name)
		if s == nil {
			return nil, die("snapshot '%s' does not exist", name)
		}
		values, raw = s.Values, s.Raw
	}
	data := k.c.present(g.kind, values)
	data["digest"] = g.conf.Digest()
	if len(raw) > 0 {
		data["lxc"] = raw
	}
	return data, nil
}

func (k *call) getPending() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	now := k.c.present(g.kind, g.conf.Values)
	now["digest"] = g.conf.Digest()
	pending := map[string]any{}
	gone := []string{}
	if g.conf.Pending != nil {
		pending = k.c.present(g.kind, g.conf.Pending.Values)
		gone = schema.SplitList(g.conf.Pending.Values["delete"])
		delete(pending, "delete")
	}
	names := maps.Clone(now)
	maps.Copy(names, pending)
	rows := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		row := map[string]any{"key": name}
		if v, ok := now[name]; ok {
			row["value"] = v
		}
		if v, ok := pending[name]; ok {
			row["pending"] = v
		}
		if slices.Contains(gone, name) {
			row["delete"] = 1
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// edit is a wanted change of a configuration.
type edit struct {
	set    map[string]string
	remove []string
}

// housekeeping are parameters of a PUT that are no options.
var housekeeping = []string{"node", "vmid", "digest", "delete", "revert", "skiplock", "force", "background_delay", "import-working-storage"}

// readEdit takes the options out of a request.
func (k *call) readEdit() (edit, error) {
	e := edit{set: maps.Clone(k.params), remove: schema.SplitList(k.str("delete"))}
	for _, name := range housekeeping {
		delete(e.set, name)
	}
	for _, name := range e.remove {
		if k.c.configKeys(k.kind).Param(name) == nil || slices.Contains(housekeeping, name) {
			return e, badParam("delete", "unknown option '"+name+"'")
		}
		if _, both := e.set[name]; both {
			return e, badParam("delete", "you can't use '-"+name+"' and -delete "+name+" at the same time")
		}
	}
	if len(e.set) == 0 && len(e.remove) == 0 && !k.has("revert") {
		return e, die("no options specified")
	}
	return e, nil
}

// names lists all options that an edit touches, sorted.
func (e edit) names() []string {
	names := slices.Concat(slices.Collect(maps.Keys(e.set)), e.remove)
	slices.Sort(names)
	return names
}

// canon writes an option's value as the server stores it. "" means that it is
// not stored at all.
func (c *Cluster) canon(kind, name, value string) string {
	p := c.configKeys(kind).Param(name)
	switch {
	case name == "tags":
		return normaliseTags(value)
	case name == "description" && kind == "lxc" && value != "":
		return strings.TrimRight(value, "\n") + "\n"
	case isNet(name) && p != nil:
		return c.canonNet(p.Keys, kind, value, false)
	case (name == "nameserver" || name == "searchdomain") && kind == "lxc":
		return strings.Join(schema.SplitList(value), " ")
	case isDisk(kind, name) && p != nil && kind == "lxc":
		return printProps(p.Keys, parseProps(p.Keys, value))
	}
	return value
}

// store puts a value into a configuration. An empty description is no
// description; other empty values come back from the file as a space.
func store(values map[string]string, name, value string) {
	switch {
	case value == "" && name == "description":
		delete(values, name)
	case value == "":
		values[name] = " "
	default:
		values[name] = value
	}
}

// allocate turns "storage:8" into a new volume; other values stay.
func (k *call) allocate(g *guest, values map[string]string, name, value string) (string, error) {
	from, bytes, ok := sizeRequest(volumeOf(value))
	if !ok || !isDisk(g.kind, name) {
		return value, nil
	}
	s, err := k.c.storageFor(from, k.node)
	if err != nil {
		return "", err
	}
	format := volumeOption(value, "format")
	if format == "" {
		format = "raw"
	}
	volume := s.newVolume(g, values, format)
	return setVolume(value, volume, map[string]string{"size": formatSize(bytes), "format": ""}), nil
}

// revertPending forgets changes that wait for a restart.
func (g *guest) revertPending(names []string) {
	if g.conf.Pending == nil {
		return
	}
	for _, name := range names {
		delete(g.conf.Pending.Values, name)
	}
}

// pend keeps a change until the guest stops.
func (g *guest) pend(name, value string) {
	if g.conf.Pending == nil {
		g.conf.Pending = &Section{Name: "pve:pending", Values: map[string]string{}}
	}
	g.conf.Pending.Values[name] = value
}

func (g *guest) pendDelete(name string) {
	gone := ""
	if g.conf.Pending != nil {
		gone = g.conf.Pending.Values["delete"]
	}
	words := append(schema.SplitList(gone), name)
	slices.Sort(words)
	g.pend("delete", strings.Join(slices.Compact(words), ","))
}

// applyPending makes what waited true.
func (g *guest) applyPending() {
	if g.conf.Pending != nil {
		g.conf.Values = g.merged()
		g.conf.Pending = nil
	}
}
