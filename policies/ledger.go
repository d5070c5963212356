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

// ask books an open guest change that only lowers, and notes another one as a
// request. A student may so replace one machine by another in one commit. A
// change that lowers one thing and raises another is booked as a whole, when it
// fits.
func (b *books) ask(s *plan.Step) {
	if cap(b.shares)-len(b.shares) < mostShares {
		b.shares = make([]share, 0, 64*mostShares)
	}
	by := b.effect(b.shares[len(b.shares):], s)
	for _, s := range by {
		s.after = s.after.plus(s.by, 1)
	}
	if !raises(by) {
		book(by)
		return
	}
	b.asking = append(b.asking, request{s.Key, by})
	b.shares = b.shares[:len(b.shares)+len(by)]
}

// settle judges the requests in key order. Those that fit, go; one that does not
// fit leaves room for smaller ones after it. Only what a change raises is held
// against a limit, so lowering and keeping are always free, even far above a limit
// that was lowered meanwhile.
func (b *books) settle() ledger {
	found := map[slot]*excess{}
	for _, r := range b.asking {
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
