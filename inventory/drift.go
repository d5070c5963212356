package inventory

import (
	"slices"
	"strings"
)

// What becomes of a field that is not as declared though no commit asked for that.
const (
	DriftCorrect = "correct" // it is made as declared: the default
	DriftReport  = "report"  // it stays, and is shown
	DriftIgnore  = "ignore"  // it stays
)

// fieldNets stands for all that a guest's interfaces are.
const fieldNets = "nets"

// driftFields are the attributes that somebody may change behind our back, by
// kind. What else differs says whose a thing is, what it is, or in which stage
// of its life, and is always put right.
var driftFields = map[string][]string{
	KindGuest: {"ciuser", "cores", "description", "disk", "features", "memory", "name", "nameserver", fieldNets, "node",
		"onboot", "pool", "searchdomain", "sshkeys", "swap", "tags"},
	KindPower:       {"state"},
	KindRecord:      {"ttl", "value"},
	KindReservation: {"ip", "name", "on"},
	KindFilter:      {"list", "on"},
}

// DriftFields are the names by which the fields of a kind are spoken of, sorted.
func DriftFields(kind string) []string { return driftFields[kind] }

// DriftField is the name by which an attribute of a kind is spoken of, or "" for
// one that is always put right: the interfaces of a guest are one field.
func DriftField(kind, attr string) string {
	if rest, ok := strings.CutPrefix(attr, "net"); ok && kind == KindGuest && rest != "" && '0' <= rest[0] && rest[0] <= '9' {
		attr = fieldNets
	}
	if slices.Contains(driftFields[kind], attr) {
		return attr
	}
	return ""
}
