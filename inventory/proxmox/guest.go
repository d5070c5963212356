package proxmox

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// The types of guests, as PVE's paths and our attribute "type" say them.
const (
	typeLXC  = "lxc"
	typeQEMU = "qemu"
)

// ref says where a guest is.
type ref struct {
	vmid string
	typ  string // lxc | qemu
	node string
}

// path is the guest's place in the API.
func (r ref) path() string { return "/nodes/" + r.node + "/" + r.typ + "/" + r.vmid }

// String names a guest as PVE's messages do: "CT 100", "VM 200".
func (r ref) String() string {
	if r.typ == typeQEMU {
		return "VM " + r.vmid
	}
	return "CT " + r.vmid
}

// guest is a live guest with all that one pass knows of it.
type guest struct {
	ref
	cfg    rawConfig
	pool   string
	status string // running | stopped | unknown | …
}

func (g guest) template() bool { return canonicalBool(g.cfg["template"]) == "1" }

// name is the guest's host name.
func (g guest) name() string { return hostname(g.typ, g.cfg) }

func hostname(typ string, cfg rawConfig) string {
	if typ == typeQEMU {
		return cfg["name"]
	}
	return cfg["hostname"]
}

// attrs are the guest's attributes in the inventory's canonical form.
func (g guest) attrs() inventory.Attrs {
	attrs := configAttrs(g.typ, g.cfg)
	attrs["vmid"] = g.vmid
	attrs["node"] = g.node
	attrs["pool"] = g.pool
	return attrs
}

// configAttrs are the attributes that the configuration alone tells.
func configAttrs(typ string, cfg rawConfig) inventory.Attrs {
	volume := rootVolume(typ, cfg)
	storage, _, _ := strings.Cut(volume.get("volume"), ":")
	attrs := inventory.Attrs{
		"type":         typ,
		"name":         hostname(typ, cfg),
		"memory":       memory(cfg["memory"]),
		"disk":         canonicalGiB(volume.get("size")),
		"storage":      storage,
		"tags":         canonicalTags(cfg["tags"]),
		"description":  inventory.StripMark(cfg["description"]),
		"nameserver":   canonicalList(cfg["nameserver"]),
		"searchdomain": canonicalList(cfg["searchdomain"]),
		"onboot":       canonicalBool(cfg["onboot"]),
		"nets":         strings.Join(netNames(cfg), ","),
	}
	if cores := cores(typ, cfg); cores != "" {
		attrs["cores"] = cores
	}
	if lock := cfg["lock"]; lock != "" {
		attrs["lock"] = lock
	}
	for _, name := range netNames(cfg) {
		for attr, value := range netAttrs(typ, cfg[name], cfg["ipconfig"+strings.TrimPrefix(name, "net")]) {
			attrs[name+"."+attr] = value
		}
	}
	if typ == typeLXC {
		attrs["swap"] = cmp.Or(cfg["swap"], "512")
		attrs["features"] = canonicalFeatures(cfg["features"])
		return attrs
	}
	attrs["ciuser"] = cfg["ciuser"]
	attrs["sshkeys"] = decodeKeys(cfg["sshkeys"])
	return attrs
}

// memory reads "4096" and the newer "current=4096"; PVE's default is 512 MiB.
func memory(s string) string {
	if s == "" {
		return "512"
	}
	return parsePairs(s, "current").get("current")
}

// cores of a machine are those of all its sockets; a container without the
// option may use them all, which no number says.
func cores(typ string, cfg rawConfig) string {
	if typ == typeLXC {
		return cfg["cores"]
	}
	n, err1 := strconv.Atoi(cmp.Or(cfg["cores"], "1"))
	sockets, err2 := strconv.Atoi(cmp.Or(cfg["sockets"], "1"))
	if err1 != nil || err2 != nil {
		return ""
	}
	return strconv.Itoa(n * sockets)
}

// rootVolume is the property string of the disk that the guest boots from, its
// volume under "volume".
func rootVolume(typ string, cfg rawConfig) pairs {
	return parsePairs(cfg[rootDisk(typ, cfg)], "volume")
}

// rootDisk is the key of the disk that the guest boots from: "rootfs" of a
// container, and of a machine the first disk in its boot order, or else the
// first of the usual ones.
func rootDisk(typ string, cfg rawConfig) string {
	if typ == typeLXC {
		return "rootfs"
	}
	order := strings.Split(parsePairs(cfg["boot"], "legacy").get("order"), ";")
	for _, key := range slices.Concat(order, []string{cfg["bootdisk"], "scsi0", "virtio0", "sata0", "ide0"}) {
		if isDisk(key, cfg[key]) {
			return key
		}
	}
	return ""
}

func isDisk(key, value string) bool {
	if !slices.Contains([]string{"scsi", "virtio", "sata", "ide"}, strings.TrimRight(key, "0123456789")) {
		return false
	}
	volume := parsePairs(value, "volume")
	return volume.get("volume") != "" && volume.get("media") != "cdrom" && !strings.HasSuffix(volume.get("volume"), "cloudinit")
}

func isListSeparator(r rune) bool { return strings.ContainsRune(",; \t\n\x00", r) }

// canonicalTags are the tags in the order and case in which PVE stores them.
func canonicalTags(s string) string {
	tags := strings.FieldsFunc(strings.ToLower(s), isListSeparator)
	slices.Sort(tags)
	return strings.Join(slices.Compact(tags), ";")
}

// canonicalFeatures drops what is switched off and sorts the rest.
func canonicalFeatures(s string) string {
	var on []string
	for _, p := range parsePairs(s, "") {
		if p.key != "" && p.value != "0" {
			on = append(on, p.key+"="+p.value)
		}
	}
	slices.Sort(on)
	return strings.Join(on, ",")
}

func canonicalList(s string) string {
	return strings.Join(strings.FieldsFunc(s, isListSeparator), " ")
}

// canonicalBool reads the words that PVE takes for true.
func canonicalBool(s string) string {
	if slices.Contains([]string{"1", "on", "yes", "true"}, strings.ToLower(s)) {
		return "1"
	}
	return "0"
}

// decodeKeys reads cloud-init's keys, which PVE stores percent-encoded.
func decodeKeys(s string) string {
	var keys []string
	for line := range strings.SplitSeq(decodeText(s), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			keys = append(keys, line)
		}
	}
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), "\n")
}

// encodeKeys is what PVE's "urlencoded" format wants: %20 for a space, never "+".
func encodeKeys(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
