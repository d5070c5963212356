package policies

import (
	"cmp"
	"maps"
	"slices"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// ledger says what each holder has before and after a plan, and which changes
// no longer fit into a limit.
//
// It is Go and not Rego because it is a fold: whether a change still fits
// depends on which changes before it did, and Rego has no way to say that in
// linear time. Rego says what it means: see builtin/quota.rego.
type ledger struct {
	before usage
	after  usage // as if everything open were done
	excess []excess
}

// excess is a limit that a plan would break, and the changes that must wait so
// that it does not.
type excess struct {
	holder
	what          dimension
	before, after int64
	limit         int64
	beyond        []inventory.Key
}

// takeStock judges the open guest changes of a plan in key order. Those that
// fit, go; one that does not fit leaves room for smaller ones after it. Only
// what a change raises is held against a limit, so lowering and keeping are
// always free, even far above a limit that was lowered meanwhile.
//
// What only lowers is booked first: a student may replace one machine by
// another in one commit. A change that lowers one thing and raises another is
// booked as a whole, when it fits.
func takeStock(p plan.Plan, live []inventory.Resource, l limits) ledger {
	before := liveUsage(live)
	booked, after := maps.Clone(before), maps.Clone(before)

	type request struct {
		key inventory.Key
		by  usage
	}
	var asking []request
	for _, s := range p.Steps {
		if s.Blocked() || s.Key.Kind() != inventory.KindGuest {
			continue
		}
		by := effect(s)
		after.add(by)
		if by.raises() {
			asking = append(asking, request{s.Key, by})
		} else {
			booked.add(by)
		}
	}

	found := map[slot]*excess{}
	for _, s := range asking {
		over := beyond(booked, s.by, l)
		if len(over) == 0 {
			booked.add(s.by)
		}
		for _, at := range over {
			e := found[at]
			if e == nil {
				e = &excess{holder: at.holder, what: at.what, limit: l.of(at.holder)[at.what],
					before: before[at.holder][at.what], after: after[at.holder][at.what]}
				found[at] = e
			}
			e.beyond = append(e.beyond, s.key)
		}
	}
	return ledger{before: before, after: after, excess: sorted(found)}
}

// slot is one limit of one holder.
type slot struct {
	holder
	what dimension
}

// beyond are the limits that a change would break on top of what is booked.
func beyond(booked, by usage, l limits) []slot {
	var over []slot
	for h, amount := range by {
		limit := l.of(h)
		for d, n := range amount {
			if n > 0 && booked[h][d]+n > limit[d] {
				over = append(over, slot{h, dimension(d)})
			}
		}
	}
	return over
}

func sorted(found map[slot]*excess) []excess {
	list := make([]excess, 0, len(found))
	for _, e := range found {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b excess) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.name, b.name), cmp.Compare(a.what, b.what))
	})
	return list
}
