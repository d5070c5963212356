package reconciler

import (
	"context"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/policies/trust"
	"github.com/provost-dev/provost/projects"
)

// hand is a request's author, held against the owners' rules of the branch that
// it asks to be merged into.
type hand func(ctx context.Context, p Proposal) []Violation

// owners reads the rules of the branch, once for all requests.
func (r *Reconciler) owners(base Snapshot) hand {
	rules, problems := trust.Read(base.Tree)
	if len(problems) > 0 {
		broken := []Violation{notOwned(say(msgRulesBroken, problems[0]), problems[0].File)}
		return func(context.Context, Proposal) []Violation { return broken }
	}
	return func(ctx context.Context, p Proposal) []Violation {
		found := rules.Owners.Trespasses(trust.Edit{
			Before: base.Tree, After: p.Tree, Changed: p.Changed, Login: p.Author,
			Member: func(group string) (bool, error) {
				if r.People == nil {
					return false, nil
				}
				return r.People.Belongs(ctx, p.Author, group)
			},
		})
		violations := make([]Violation, len(found))
		for i, t := range found {
			violations[i] = notOwned(t.For(p.Author), "policies/owners.yaml")
		}
		return violations
	}
}

func notOwned(message, where string) Violation {
	return Violation{Rule: "provost.owners", Title: msgOwnersTitle, Level: LevelDeny, Message: message, Where: where}
}

// rulesProblems are those of the rules that a request would bring: once merged,
// broken rules allow nothing.
func rulesProblems(p Proposal) []projects.Problem {
	if !slices.ContainsFunc(p.Changed, func(path string) bool { return strings.HasPrefix(path, trust.Folder) }) {
		return nil
	}
	_, problems := trust.Read(p.Tree)
	return problems
}

// asDeclared stands in for the live state where a fork asks: what the branch
// declares, as if all of it were so. A plan against it shows what the request
// changes in the declarations, which its author has read anyway, and nothing
// that only the live systems know.
func (r *Reconciler) asDeclared(base Snapshot) inventory.Listing {
	return inventory.Listing{Items: projects.LoadAt(base.Tree, r.now()).Desired(nil).Resources}
}

// refuse answers on the commits that are not believed. The pass goes on with the
// last one that is.
func (r *Reconciler) refuse(ctx context.Context, pass *Pass, s Snapshot) {
	pass.Refused = s.Refused
	for _, refused := range s.Refused {
		r.Log.Warn("commit not believed", "commit", short(refused.Commit), "stands", short(s.Commit), "reason", refused.Reason)
		r.write(ctx, refused.Commit, Status{ContextPolicy, StatusFailed, refused.Reason, ""})
		r.write(ctx, refused.Commit, Status{ContextApply, StatusFailed, say(msgNotBelieved, short(s.Commit)), ""})
	}
}
