package policies

import (
	"cmp"
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
	accounts map[holder]*account
	excess   []excess
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
	b := openBooks(live, l)
	type request struct {
		key    inventory.Key
		shares []share
	}
	var asking []request
	var block []share // room for the shares of many steps
	for _, s := range p.Steps {
		if s.Blocked() || s.Key.Kind() != inventory.KindGuest {
			continue
		}
		if cap(block)-len(block) < mostShares {
			block = make([]share, 0, 64*mostShares)
		}
		by := b.effect(block[len(block):], s)
		for _, s := range by {
			s.after = s.after.plus(s.by, 1)
		}
		if raises(by) {
			asking = append(asking, request{s.Key, by})
			block = block[:len(block)+len(by)]
		} else {
			book(by)
		}
	}

	found := map[slot]*excess{}
	for _, r := range asking {
		over := beyond(r.shares)
		if len(over) == 0 {
			book(r.shares)
		}
		for _, at := range over {
			e := found[at]
			if e == nil {
				e = &excess{holder: at.holder, what: at.what, limit: at.limit[at.what], before: at.before[at.what], after: at.after[at.what]}
				found[at] = e
			}
			e.beyond = append(e.beyond, r.key)
		}
	}
	return ledger{accounts: b.accounts, excess: sorted(found)}
}

func book(shares []share) {
	for _, s := range shares {
		s.booked = s.booked.plus(s.by, 1)
	}
}

// slot is one limit of one holder.
type slot struct {
	*account
	what dimension
}

// beyond are the limits that a change would break on top of what is booked.
func beyond(shares []share) []slot {
	var over []slot
	for _, s := range shares {
		for d, n := range s.by {
			if n > 0 && s.booked[d]+n > s.limit[d] {
				over = append(over, slot{s.account, dimension(d)})
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
