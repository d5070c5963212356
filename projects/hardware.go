package projects

import (
	"regexp"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// readHardware reads what Proxmox calls the same or nearly so.
func (d *draft) readHardware() {
	d.attrs["type"] = "qemu"
	if d.lxc {
		d.attrs["type"] = "lxc"
	}
	set := func(attr string, v value) {
		if v.set() {
			d.attrs[attr] = v.text
		}
	}
	for _, name := range []string{"cores", "memory", "pool", "searchdomain", "onboot"} {
		v, _ := d.get(name)
		set(name, v)
	}
	disk, _ := d.either("disk", "rootfs")
	set("disk", disk)
	set("swap", d.fits("swap", d.lxc, "only containers have it; give a QEMU machine more memory"))
	set("ciuser", d.fits("ciuser", !d.lxc, "only QEMU machines have cloud-init"))
	if v := d.fits("features", d.lxc, "only containers have them"); v.set() {
		features := v.texts()
		slices.Sort(features)
		d.attrs["features"] = strings.Join(slices.Compact(features), ",")
	}
	d.readNode()
	d.attrs["create.workspace"] = d.unit.space // for policies; never compared
}

func (d *draft) readNode() {
	v, _ := d.get("node")
	if !v.set() {
		return
	}
	d.attrs["node"] = v.text
	if nodes := d.cluster.nodes; len(nodes) > 0 && !slices.Contains(nodes, v.text) {
		v.refuse(suggest(v.text, nodes), "cluster %s has no node %q", d.cluster.name, v.text)
	}
}

var osTemplate = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9][A-Za-z0-9._-]*$`)

// readBase reads what the machine is made from, and what depends on that.
func (d *draft) readBase() {
	v, _ := d.get("base")
	fromOS := strings.Contains(v.text, ":")
	switch {
	case !v.set():
	case fromOS && !d.lxc:
		v.refuse("name a template to clone", "a QEMU machine cannot be made from the container template %s", v.text)
	case fromOS && osTemplate.MatchString(v.text):
		d.attrs["create.base"] = "ostemplate:" + v.text
	case !fromOS && nameLike.match(v.text):
		d.base, d.attrs["create.base"] = v.text, "template:"+v.text
	default:
		v.refuse("write storage:name for an OS template, or a template's name or VMID", "%q is not a base", v.text)
	}
	mode := "full"
	if c := d.fits("clone", !fromOS, "a machine made from an OS template is no clone"); c.set() {
		mode = c.text
	}
	if v.set() && !fromOS {
		d.attrs["create.clone"] = mode
	}
	linked := v.set() && !fromOS && mode == "linked"
	if s := d.fits("storage", !linked, "a linked clone lies on its template's storage"); s.set() {
		d.attrs["storage"] = s.text
	}
	d.readKeySets(d.lxc && !fromOS)
	if d.power == "initial" && d.adopt == 0 {
		d.attrs["create.boot"] = "new"
	}
}

// readKeySets looks the key sets up. Proxmox gives keys to a container only
// while it creates one, and a clone is not created.
func (d *draft) readKeySets(clonedContainer bool) {
	v := d.fits("ssh-public-keys", !clonedContainer,
		"Proxmox gives keys to a container only when it is created from an OS template; put them into the template")
	if !v.set() {
		return
	}
	var lines []string
	for _, item := range v.items() {
		set, ok := d.unit.keys[item.text]
		switch {
		case !ok:
			item.refuse(suggest(item.text, d.unit.keyNames()), "there is no key set keys/%s.pub", item.text)
		case set.broken != "":
			item.refuse("mend keys/"+item.text+".pub", "the key set is broken: %s", set.broken)
		}
		lines = append(lines, set.lines...)
	}
	slices.Sort(lines)
	keys := strings.Join(slices.Compact(lines), "\n")
	if d.lxc {
		d.attrs["create.sshkeys"] = keys
	} else {
		d.attrs["sshkeys"] = keys
	}
}

func (d *draft) readTags() {
	tags, declared := []string{"provost", tag(d.owner.Unit)}, false
	for depth, l := range d.layers {
		if d.adopt != 0 && depth > 0 {
			break
		}
		for _, item := range l.get("tags").items() {
			t := tag(item.text)
			if t == "" {
				item.refuse("use letters and digits", "%q is not a tag", item.text)
			}
			tags, declared = append(tags, t), true
		}
	}
	if declared || d.adopt == 0 {
		slices.Sort(tags)
		d.attrs["tags"] = strings.Join(slices.Compact(tags), ";")
	}
}

// descriptionLimit leaves room, in bytes, for the mark below a description.
const descriptionLimit = textLimit - 1192

func (d *draft) readDescription() {
	v, _ := d.get("description")
	at := d.place
	switch {
	case v.set():
		d.text, at = d.fill.in(v.text), v.place
	case d.owner.Student != "" && d.adopt == 0 && d.lxc:
		d.text = d.fill.in("CT perso pour {name} - {cohort}")
	case d.owner.Student != "" && d.adopt == 0:
		d.text = d.fill.in("VM perso pour {name} - {cohort}")
	}
	d.text = strings.TrimSpace(d.text)
	d.checkDescription(at)
}

// checkDescription is about the text as it will stand: names are filled in, and
// a line that looks like a mark would be taken for one.
func (d *draft) checkDescription(at place) {
	if len(d.text) > descriptionLimit {
		at.refuse("shorten it to 7000 characters", "the description of %s is too long with what is filled in", d.hostname)
	}
	if strings.Contains(d.text, "provost: ") && inventory.StripMark(d.text) != d.text {
		at.refuse("begin the line with another word", "lines of a description that begin with provost: are provost's own")
	}
}
