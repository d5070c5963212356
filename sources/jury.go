package sources

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/provost-dev/provost/policies/trust"
)

// jury judges the commits on one way.
type jury struct {
	*Vetted
	branch string
	way    []Commit
	asks   bool // whether who pushed counts

	asked   bool
	pushers []string // for each commit of the way; "" where nobody knows
	failed  error    // why the forge did not tell
}

// object says why a commit of the way is not believed after good; else it gives
// what is believed then. Its clock never goes back along the way: a key that has
// expired cannot be used by writing an earlier date into the commit.
func (j *jury) object(ctx context.Context, i int) (next *believed, reason string, err error) {
	c := j.way[i]
	next, err = j.believe(ctx, j.good, c)
	var broken *brokenRules
	if errors.As(err, &broken) {
		return nil, broken.problem.String(), nil
	}
	if err != nil {
		return nil, "", err
	}
	early := next.when.After(time.Now().Add(skew))
	if early || next.when.Before(j.good.when) {
		next.when = j.good.when
	}
	if !j.good.ruled() {
		return next, "", nil
	}
	changes, err := j.Changes(ctx, j.good.commit, c.Hash)
	if err != nil {
		return nil, "", err
	}
	if early && j.good.rules.Signers != nil {
		return nil, "it is dated " + c.When.Format(time.DateOnly) + ", which is to come: nobody can tell which keys are good then", nil
	}
	reason = j.good.rules.Signers.Object(trust.Commit{
		Signed: c.Signed, Signature: c.Signature, Changed: changes.Paths, At: next.when,
	})
	if reason == "" && j.asks {
		reason = j.trespass(ctx, i, changes)
	}
	return next, reason, nil
}

// skew is how far the clock of whoever commits may be ahead.
const skew = 24 * time.Hour

// trespass says what whoever pushed a commit may not change of it, or "".
func (j *jury) trespass(ctx context.Context, i int, changes Changes) string {
	owners := j.good.rules.Owners
	if owners == nil || len(changes.Paths) == 0 {
		return ""
	}
	j.ask(ctx)
	if j.failed != nil {
		return fmt.Sprintf("nobody can tell who pushed it: %v", j.failed)
	}
	login := j.pushers[i]
	if login == "" && owners.TrustsUnknown() {
		return ""
	}
	if login == "" {
		return "nobody knows who pushed it, and unowned: deny stands in policies/owners.yaml"
	}
	found := owners.Trespasses(trust.Edit{
		Before: changes.Before, After: changes.After, Changed: changes.Paths, Login: login,
		Member: func(group string) (bool, error) { return j.vetting.Push.Belongs(ctx, login, group) },
	})
	switch len(found) {
	case 0:
		return ""
	case 1:
		return found[0].For(login)
	}
	return fmt.Sprintf("%s (and %d more)", found[0].For(login), len(found)-1)
}

// ask finds out, once, who pushed what of the way. A push may bring several
// commits; the forge tells of the last one.
func (j *jury) ask(ctx context.Context) {
	if j.asked {
		return
	}
	j.asked = true
	known, err := j.vetting.Push.Pushers(ctx, j.branch, j.good.commit)
	j.failed = err
	j.pushers = make([]string, len(j.way))
	login := ""
	for i := len(j.way) - 1; i >= 0; i-- {
		if who := known[j.way[i].Hash]; who != "" {
			login = who
		}
		j.pushers[i] = login
	}
}
