package plan

import (
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// freezer finds the unread part that covers a resource. It looks up the key and
// each of its parents, so that a thousand unread keys cost no more than one.
type freezer map[inventory.Key]string

func newFreezer(unknown []inventory.Unknown) freezer {
	f := freezer{}
	for _, u := range unknown {
		f[inventory.Key(strings.TrimSuffix(string(u.Prefix), "/"))] = u.Reason
	}
	return f
}

// reason says why r must be left alone, or "".
func (f freezer) reason(r *inventory.Resource) string {
	if len(f) == 0 {
		return ""
	}
	for _, key := range containers(r) {
		for part := string(key); part != ""; part = parent(part) {
			if reason, ok := f[inventory.Key(part)]; ok {
				return "cannot read " + part + ": " + reason
			}
		}
	}
	return ""
}

// unsure says why a guest must not be made: whether its VMID may be handed out
// depends on whose backups there are.
func (f freezer) unsure(want *inventory.Resource) string {
	if want.Key.Kind() != inventory.KindGuest {
		return ""
	}
	if reason, ok := f[inventory.Key(want.Key.System()+"/"+inventory.KindBackup)]; ok {
		return "its VMID may be one that has backups: " + reason
	}
	return ""
}

// containers are the key itself and the observed thing it lives in: a record
// lives in a zone and a reservation in a scope, which may be unread by
// themselves.
func containers(r *inventory.Resource) []inventory.Key {
	keys := []inventory.Key{r.Key}
	switch r.Key.Kind() {
	case inventory.KindRecord:
		keys = append(keys, inventory.MakeKey(r.Key.System(), inventory.KindZone, r.Attrs["zone"]))
	case inventory.KindReservation:
		scope, _, _ := strings.Cut(r.Key.Name(), "/")
		keys = append(keys, inventory.MakeKey(r.Key.System(), inventory.KindScope, scope))
	}
	return keys
}

func parent(key string) string {
	i := strings.LastIndexByte(key, '/')
	if i < 0 {
		return ""
	}
	return key[:i]
}
