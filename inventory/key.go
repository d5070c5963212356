package inventory

import (
	"fmt"
	"strings"
)

// Key names one resource: "system/kind/name", as in "cri/guest/vm-rapamato" or
// "ad/record/vm-rapamato.etu.isima.fr/A". The system is a name from the
// daemon's configuration. A key names neither node nor cohort, so that moving a
// machine is a change and not a deletion.
type Key string

// Kinds of resources. The package documentation lists their attributes.
const (
	KindGuest       = "guest"
	KindPower       = "power"
	KindRecord      = "record"
	KindReservation = "reservation"
	KindFilter      = "filter"
	KindReboot      = "reboot"

	KindForeign  = "foreign"
	KindBackup   = "backup"
	KindNode     = "node"
	KindStorage  = "storage"
	KindTemplate = "template"
	KindZone     = "zone"
	KindScope    = "scope"
	KindLease    = "lease"
)

// MakeKey joins a key from its parts; name may itself hold slashes.
func MakeKey(system, kind string, name ...string) Key {
	return Key(system + "/" + kind + "/" + strings.Join(name, "/"))
}

// System is the first part of the key.
func (k Key) System() string { s, _, _ := k.cut(); return s }

// Kind is the second part of the key.
func (k Key) Kind() string { _, s, _ := k.cut(); return s }

// Name is the rest of the key, slashes included.
func (k Key) Name() string { _, _, s := k.cut(); return s }

func (k Key) cut() (system, kind, name string) {
	system, rest, _ := strings.Cut(string(k), "/")
	kind, name, _ = strings.Cut(rest, "/")
	return system, kind, name
}

// ParseKey checks that s has a system, a kind and a name.
func ParseKey(s string) (Key, error) {
	system, kind, name := Key(s).cut()
	if system == "" || kind == "" || name == "" {
		return "", fmt.Errorf("cannot read key %q: want system/kind/name", s)
	}
	return Key(s), nil
}

// Under reports whether the key is prefix, or lies below it. A prefix ends at a
// slash: "ad/record" covers "ad/record/x/A" but not "ad/records/x".
func (k Key) Under(prefix Key) bool {
	rest, ok := strings.CutPrefix(string(k), strings.TrimSuffix(string(prefix), "/"))
	return ok && (rest == "" || rest[0] == '/')
}
