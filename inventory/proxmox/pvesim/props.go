package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// printProps writes a property string in the server's order: the default key
// without its name, the required keys, and the others, each sorted.
func printProps(keys map[string]*schema.Param, props map[string]string) string {
	var first, required, others []string
	for _, k := range slices.Sorted(maps.Keys(props)) {
		switch p := keys[k]; {
		case p != nil && bool(p.DefaultKey):
			first = append(first, props[k])
		case p != nil && !bool(p.Optional):
			required = append(required, k+"="+props[k])
		default:
			others = append(others, k+"="+props[k])
		}
	}
	return strings.Join(slices.Concat(first, required, others), ",")
}

// parseProps reads a property string that has been checked before.
func parseProps(keys map[string]*schema.Param, value string) map[string]string {
	props, text := schema.ParseProperties(keys, "", value)
	if text != "" {
		return map[string]string{}
	}
	return props
}

// volumeOption returns one key of "volume,key=value,…".
func volumeOption(value, key string) string {
	for part := range strings.SplitSeq(value, ",") {
		if v, ok := strings.CutPrefix(part, key+"="); ok {
			return v
		}
	}
	return ""
}

// volumeOf returns the volume of a disk's value.
func volumeOf(value string) string {
	first, _, _ := strings.Cut(value, ",")
	for _, key := range []string{"volume=", "file="} {
		if v, ok := strings.CutPrefix(first, key); ok {
			return v
		}
	}
	return first
}

// setVolume replaces the volume and some keys of a disk's value; an empty one
// is removed.
func setVolume(value, volume string, options map[string]string) string {
	parts := []string{volume}
	rest := map[string]string{}
	for _, part := range strings.Split(value, ",")[1:] {
		k, v, _ := strings.Cut(part, "=")
		rest[k] = v
	}
	maps.Copy(rest, options)
	for _, k := range slices.Sorted(maps.Keys(rest)) {
		if rest[k] != "" {
			parts = append(parts, k+"="+rest[k])
		}
	}
	return strings.Join(parts, ",")
}

var units = "KMGT"

// parseSize reads "8G" into bytes; 0 if it is none.
func parseSize(s string) int64 {
	if s == "" {
		return 0
	}
	shift := 0
	if i := strings.IndexByte(units, s[len(s)-1]); i >= 0 {
		shift, s = 10*(i+1), s[:len(s)-1]
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return int64(f * float64(int64(1)<<shift))
}

// formatSize writes bytes in the largest unit that divides them.
func formatSize(n int64) string {
	i := -1
	for n >= 1024 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	if i < 0 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d%c", n, units[i])
}

// mac makes an address with Proxmox's own prefix.
func (c *Cluster) mac() string {
	n := c.rng.Uint32()
	return fmt.Sprintf("BC:24:11:%02X:%02X:%02X", n>>16&0xff, n>>8&0xff, n&0xff)
}

// canonNet writes a network interface as the server stores it, with a MAC if
// it has none, or a new one if fresh.
func (c *Cluster) canonNet(keys map[string]*schema.Param, kind, value string, fresh bool) string {
	props := parseProps(keys, value)
	field := "hwaddr"
	if kind == "qemu" {
		field = "macaddr"
	}
	if props[field] == "" || fresh {
		props[field] = c.mac()
	}
	if kind == "lxc" {
		props["type"] = "veth"
		return printProps(keys, props)
	}
	head := props["model"] + "=" + props[field]
	delete(props, "model")
	delete(props, field)
	if len(props) == 0 {
		return head
	}
	return head + "," + printProps(nil, props)
}

// isIndexed says whether an option is prefix and a number, as net0.
func isIndexed(option, prefix string) bool {
	rest, ok := strings.CutPrefix(option, prefix)
	_, err := strconv.Atoi(rest)
	return ok && err == nil
}

func isNet(option string) bool { return isIndexed(option, "net") }

// isDisk says whether an option of a guest of that kind names a volume.
func isDisk(kind, option string) bool {
	if kind == "lxc" {
		return option == "rootfs" || isIndexed(option, "mp")
	}
	for _, bus := range []string{"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate"} {
		if isIndexed(option, bus) {
			return true
		}
	}
	return false
}

// diskKeys lists the options that name volumes, sorted.
func diskKeys(kind string, values map[string]string) []string {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if isDisk(kind, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// bootDisks lists a machine's hard disks, sorted.
func bootDisks(values map[string]string) []string {
	return slices.DeleteFunc(diskKeys("qemu", values), func(k string) bool {
		return volumeOption(values[k], "media") == "cdrom" || isIndexed(k, "efidisk") || isIndexed(k, "tpmstate")
	})
}
