package policies

import (
	"maps"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// account is what one holder has, and may have.
type account struct {
	holder
	limit         amounts
	before, after amounts
	booked        amounts // before, and what was found to fit
}

// books are the accounts of all who hold something. A step looks its holders up
// once and then works on accounts: looking up is what costs.
type books struct {
	limits   limits
	accounts map[holder]*account
	asking   []request // what does not only lower, in key order
	shares   []share   // room for the shares of many
	room     []account // for those to come
}

// request is a step that asks for more.
type request struct {
	key    inventory.Key
	shares []share
}

func newBooks(l limits) *books { return &books{limits: l, accounts: map[holder]*account{}} }

// has adds up a live guest that carries our mark. Foreign ones are not ours to
// count: they show in the capacity of nodes and storages.
func (b *books) has(r *inventory.Resource) {
	b.shares = b.count(b.shares[:0], r.Key, r.Owner, r.Attrs, 1)
	for _, s := range b.shares {
		s.before = s.before.plus(s.by, 1)
	}
}

// open ends the adding up of what is live.
func (b *books) open() {
	for _, a := range b.accounts {
		a.after, a.booked = a.before, a.before
	}
	b.shares = nil
}

// of is the account of a holder, opened where there is none yet.
func (b *books) of(h holder) *account {
	a := b.accounts[h]
	if a == nil {
		if len(b.room) == 0 {
			b.room = make([]account, 64)
		}
		a, b.room = &b.room[0], b.room[1:]
		*a = account{holder: h, limit: b.limits.of(h)}
		b.accounts[h] = a
	}
	return a
}

func (a amounts) plus(b amounts, sign int64) amounts {
	for d := range a {
		a[d] += sign * b[d]
	}
	return a
}

// share is by how much a step changes one account.
type share struct {
	*account
	by amounts
}

// mostShares is how many accounts a step can change: those of a cluster, a
// student and a unit, before and after.
const mostShares = 6

// raises reports whether any amount goes up.
func raises(shares []share) bool {
	for _, s := range shares {
		for _, n := range s.by {
			if n > 0 {
				return true
			}
		}
	}
	return false
}

// effect appends by how much a step changes what each holder has.
func (b *books) effect(shares []share, s *plan.Step) []share {
	if s.Key.Kind() != inventory.KindGuest {
		return shares
	}
	if s.Before != nil && s.Before.Key.Kind() == inventory.KindGuest {
		shares = b.count(shares, s.Before.Key, s.Before.Owner, s.Before.Attrs, -1)
	}
	if s.After != nil {
		shares = b.count(shares, s.After.Key, s.After.Owner, afterAttrs(&s.Change), 1)
	}
	return shares
}

// count adds one guest, sign times, to the shares of everyone who holds it.
func (b *books) count(shares []share, key inventory.Key, owner inventory.Owner, attrs inventory.Attrs, sign int64) []share {
	if owner.IsZero() {
		return shares
	}
	size := sizeOf(attrs)
	add := func(h holder) {
		a := b.of(h)
		for i := range shares {
			if shares[i].account == a {
				shares[i].by = shares[i].by.plus(size, sign)
				return
			}
		}
		shares = append(shares, share{a, amounts{}.plus(size, sign)})
	}
	add(holder{scopeCluster, key.System()})
	if owner.Student != "" {
		add(holder{scopeStudent, owner.Student})
	}
	if scope, name, ok := strings.Cut(owner.Unit, "/"); ok && (scope == scopeProject || scope == scopeCohort) {
		add(holder{scope, name})
	}
	return shares
}

func sizeOf(attrs inventory.Attrs) amounts {
	return amounts{guests: 1, cores: number(attrs, "cores"), memory: number(attrs, "memory"), disk: number(attrs, "disk")}
}

// number reads a decimal attribute; what is not there counts nothing.
func number(attrs inventory.Attrs, name string) int64 {
	text := attrs[name]
	if text == "" {
		return 0 // an error would cost more than the number
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// afterAttrs are the attributes as they will stand: what a declaration does not
// name stays as it is. A guest that is made anew keeps nothing.
func afterAttrs(c *inventory.Change) inventory.Attrs {
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
func willBe(c *inventory.Change, name string) (string, bool) {
	if c.After == nil {
		return "", false
	}
	value, ok := c.After.Attrs[name]
	if !ok && c.Before != nil && c.Action != inventory.Replace {
		value, ok = c.Before.Attrs[name]
	}
	return value, ok
}
