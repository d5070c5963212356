package policies

import (
	"maps"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// usage is what each holder has.
type usage map[holder]amounts

func (u usage) add(change usage) {
	for h, by := range change {
		u[h] = u[h].plus(by, 1)
	}
}

func (a amounts) plus(b amounts, sign int64) amounts {
	for d := range a {
		a[d] += sign * b[d]
	}
	return a
}

// raises reports whether any amount of the change goes up.
func (u usage) raises() bool {
	for _, by := range u {
		for _, n := range by {
			if n > 0 {
				return true
			}
		}
	}
	return false
}

// liveUsage adds up the guests that carry our mark. Foreign ones are not ours
// to count: they show in the capacity of nodes and storages.
func liveUsage(live []inventory.Resource) usage {
	u := usage{}
	for _, r := range live {
		if r.Key.Kind() == inventory.KindGuest {
			u.count(r.Key, r.Owner, r.Attrs, 1)
		}
	}
	return u
}

// effect is by how much a step changes what each holder has. A step that leaves
// a holder as it is does not mention it.
func effect(s plan.Step) usage {
	u := usage{}
	if s.Key.Kind() != inventory.KindGuest {
		return u
	}
	if s.Before != nil && s.Before.Key.Kind() == inventory.KindGuest {
		u.count(s.Before.Key, s.Before.Owner, s.Before.Attrs, -1)
	}
	if s.After != nil {
		u.count(s.After.Key, s.After.Owner, afterAttrs(s.Change), 1)
	}
	if s.Before != nil { // else nothing is taken away again
		maps.DeleteFunc(u, func(_ holder, by amounts) bool { return by == amounts{} })
	}
	return u
}

// count adds one guest, sign times, to everyone who holds it.
func (u usage) count(key inventory.Key, owner inventory.Owner, attrs inventory.Attrs, sign int64) {
	if owner.IsZero() {
		return
	}
	size := sizeOf(attrs)
	for _, h := range holders(key, owner) {
		u[h] = u[h].plus(size, sign)
	}
}

// holders are those who answer for a guest.
func holders(key inventory.Key, owner inventory.Owner) []holder {
	list := []holder{{scopeCluster, key.System()}}
	if owner.Student != "" {
		list = append(list, holder{scopeStudent, owner.Student})
	}
	if scope, name, ok := strings.Cut(owner.Unit, "/"); ok && (scope == scopeProject || scope == scopeCohort) {
		list = append(list, holder{scope, name})
	}
	return list
}

func sizeOf(attrs inventory.Attrs) amounts {
	return amounts{guests: 1, cores: number(attrs, "cores"), memory: number(attrs, "memory"), disk: number(attrs, "disk")}
}

// number reads a decimal attribute; what is not there counts nothing.
func number(attrs inventory.Attrs, name string) int64 {
	n, err := strconv.ParseInt(attrs[name], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// afterAttrs are the attributes as they will stand: what a declaration does not
// name stays as it is. A guest that is made anew keeps nothing.
func afterAttrs(c inventory.Change) inventory.Attrs {
	if c.After == nil {
		return nil
	}
	if c.Before == nil || c.Action == inventory.Replace {
		return c.After.Attrs
	}
	attrs := maps.Clone(c.Before.Attrs)
	if attrs == nil {
		attrs = inventory.Attrs{}
	}
	maps.Copy(attrs, c.After.Attrs)
	return attrs
}

// willBe is one of afterAttrs, without making them all.
func willBe(c inventory.Change, name string) (string, bool) {
	if c.After == nil {
		return "", false
	}
	value, ok := c.After.Attrs[name]
	if !ok && c.Before != nil && c.Action != inventory.Replace {
		value, ok = c.Before.Attrs[name]
	}
	return value, ok
}
