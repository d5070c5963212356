// Package sources is where intent comes from and where verdicts go.
//
// A [Composite] joins a repository, which gives commits and their trees, with
// a forge, which knows the open merge requests and shows commit statuses. It is
// the reconciler.Source of the daemon:
//
//	repository (sources/git)   Latest, Merge
//	forge (sources/forge)      Requests, SetStatus
//	git notes (sources/git)    SetStatus where there is no forge
//
// sources/webhook and sources/watch only say "look now"; what is true is
// always read from the repository itself.
//
// To add a forge, satisfy [Forge] in a package below sources/forge. To add
// another kind of repository, satisfy [Repository].
//
// The package refuses to guess: a request whose files changed on both sides is
// a problem to report and never merged here, and nothing is ever written to a
// branch.
package sources
