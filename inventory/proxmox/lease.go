package proxmox

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Terms of the campus are resource pools without members: they cost nothing, all
// nodes show the same, and to make one that exists already is refused, whoever
// else makes it at that moment. A term of its own for each holder, in place of one
// pool that is written over, because Proxmox can compare nothing before it writes:
// so a holder who was thought dead writes to its own pool and to no other's.
//
// The right to allocate below /pool, which guests need anyway, is all it takes.

// termKey is the key in a term's mark. It names no system: what one daemon calls
// "cri", another may call "cluster".
func termKey(number int) inventory.Key {
	return inventory.MakeKey("provost", "term", strconv.Itoa(number))
}

// Term implements reconciler.Leaser.
func (c *Cluster) Term(ctx context.Context) (inventory.Term, error) {
	terms, err := c.terms(ctx)
	if err != nil || len(terms) == 0 {
		return inventory.Term{}, err
	}
	return terms[len(terms)-1], nil
}

// Begin implements reconciler.Leaser. What it began is read again: an answer may
// have been lost, and somebody else may have begun a later term.
func (c *Cluster) Begin(ctx context.Context, t inventory.Term) (won bool, err error) {
	_, asked := c.api.post(ctx, "/pools", params{"poolid": c.termPool(t.Number), "comment": c.termComment(t)})
	terms, err := c.terms(ctx)
	if err != nil {
		return false, err
	}
	at := slices.Index(terms, t)
	switch {
	case at < 0 && says(asked, "already exists"):
		return false, nil
	case at < 0 && asked != nil:
		return false, asked
	case at < 0:
		return false, fmt.Errorf("cannot find pool %s, which was just made", c.termPool(t.Number))
	case at < len(terms)-1:
		c.dropTerm(ctx, t)
		return false, nil
	}
	for _, old := range terms[:at] {
		c.dropTerm(ctx, old)
	}
	return true, nil
}

// Renew implements reconciler.Leaser. Whoever begins another term deletes this one.
func (c *Cluster) Renew(ctx context.Context, t inventory.Term) (stands bool, err error) {
	_, err = c.api.put(ctx, "/pools", params{"poolid": c.termPool(t.Number), "comment": c.termComment(t)})
	if says(err, "does not exist") {
		return false, nil
	}
	return err == nil, err
}

// dropTerm deletes a term that another one follows. One that stays does no harm.
func (c *Cluster) dropTerm(ctx context.Context, t inventory.Term) {
	if _, err := c.api.delete(ctx, "/pools?poolid="+c.termPool(t.Number)); err != nil {
		c.log.Debug("a term that is over was not deleted", "pool", c.termPool(t.Number), "error", err)
	}
}

// terms are all that stand, by number. A pool of that name without our mark is
// somebody else's: then nobody can tell who works.
func (c *Cluster) terms(ctx context.Context) ([]inventory.Term, error) {
	var pools []struct {
		ID      string `json:"poolid"`
		Comment string `json:"comment"`
	}
	if _, err := c.api.get(ctx, "/pools", &pools); err != nil {
		return nil, err
	}
	var terms []inventory.Term
	for _, pool := range pools {
		digits, ok := strings.CutPrefix(pool.ID, c.termPrefix())
		number, err := strconv.Atoi(digits)
		if !ok || err != nil || number < 1 || c.termPool(number) != pool.ID {
			continue
		}
		mark, ok := inventory.ParseMark(pool.Comment)
		if !ok || mark.Owner.Campus != c.campus || mark.Key != termKey(number) {
			return nil, fmt.Errorf("cannot use pool %s: it carries no mark of this campus; delete it if it is nobody's", pool.ID)
		}
		terms = append(terms, inventory.Term{
			Number: number, Holder: mark.Extra["holder"], Seat: mark.Extra["seat"], Beat: mark.Extra["beat"],
		})
	}
	slices.SortFunc(terms, func(a, b inventory.Term) int { return a.Number - b.Number })
	return terms, nil
}

func (c *Cluster) termComment(t inventory.Term) string {
	return inventory.Mark{
		Key: termKey(t.Number), Owner: inventory.Owner{Campus: c.campus},
		Extra: map[string]string{"holder": t.Holder, "seat": t.Seat, "beat": t.Beat},
	}.String()
}

func (c *Cluster) termPool(number int) string { return c.termPrefix() + strconv.Itoa(number) }

// termPrefix begins the names of the campus's terms. What cannot stand in a pool's
// name is left out, and a hash keeps two such campuses apart.
func (c *Cluster) termPrefix() string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return -1
	}, c.campus)
	if name != c.campus {
		sum := fnv.New32a()
		sum.Write([]byte(c.campus))
		name += fmt.Sprintf(".%08x", sum.Sum32())
	}
	return "provost-term-" + name + "-"
}
