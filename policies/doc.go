// Package policies says what is allowed: it runs Rego rules over a plan, the
// built-in ones (builtin/*.rego) beside those of the campus.
//
// # What a campus writes
//
// In its repository, on the target branch, which a merge request cannot change
// before it is merged:
//
//	policies/limits.yaml     how much, where and under which names; testdata/limits.yaml
//	                         is a sample that says everything. No file, no limits.
//	policies/**/*.rego       rules of its own, Rego v1
//	policies/**/*_test.rego  their tests, which only [RunTests] and [Validate] look at
//
// A rule that does not compile, a builtin that fails, limits that cannot be
// read, an answer of the wrong shape, or rules that take too long deny
// everything, and the [Error] says file, row and column.
//
// # Rules
//
// In every package, deny, warn and require_approval are asked for. What requires an
// approval is held until somebody approves exactly that: the changes that its answers
// are about, and what the deletion guard holds back beside them, have one hash, which
// the plan's status shows; "provost approve HASH" lets them go, or an approver's
// consent to the merge request. If anything of it changes, the hash is another. What
// is denied beside it stays denied, and no approval helps where a rule fails.
//
//	require_approval contains {"msg": "more than 16 cores", "id": change.id} if {
//		some change in input.plan.changes
//		change.after.cores > 16
//	}
//
// Where something waits for an approval the rules are asked twice: about the plan as
// if it were given, and about what is left of it while it is not.
//
//	# METADATA
//	# title: The exam bridge is for weekends
//	deny contains {"msg": msg, "id": change.id, "meta": rego.metadata.rule()} if {
//		some change in input.plan.changes
//		…
//	}
//
// The answer's id says which change it is about; the owner of that change, and
// nobody else, is blocked. A guest that may not be made takes with it the
// changes that its power waits for: its records, reservation and filter.
// Without id, "owner": {"student": …} or {"unit": …} means all open changes of
// that owner; with neither, the whole campus waits. A bare string is a message
// without both.
//
// # Input
//
// testdata/input.golden.json shows it whole.
//
//	input.actor, input.time    author of the commit; RFC 3339, also time.now_ns()
//	input.plan.changes[]       what nothing else blocks: id (the key), action, system, kind,
//	                           name, owner {campus, file, unit, student}, fields, needs,
//	                           before and after
//	  .before, .after          the attributes of package inventory as they are and will be, with
//	                           owner and workspace. Numbers are numbers (cores, memory in MiB,
//	                           disk in GiB), nets and tags are arrays, and a dotted name is
//	                           nested: after.net0.bridge, after.create.base
//	                           A guest that is retired is an update whose after.retired is a
//	                           day; one that is purged is a delete with before.retired
//	input.usage.<scope>.<name> before and after {guests, cores, memory, disk} of each student,
//	                           project, cohort and cluster: live, and as if all were done
//	input.quota[]              limits that the plan would break: scope, name, what, before,
//	                           after, limit, and beyond: the ids that do not fit
//	input.live.nodes, .storages, .templates
//	                           by "cri/pve1", "cri/vol-ceph-1" (shared) or "cri/pve1/local",
//	                           "cri/9000"; planned is what the plan adds, changes the ids
//	data.limits                the limits file, exceptions filled up from the default; what has
//	                           no limit is left out
//	data.provost.lib           helpers: settles, fits
//
// # Rules that stay fast
//
// 600 changes are a small campus and 10,000 a first semester. Rego looks linear
// where it is not; these are the traps, with what to write instead:
//
//	slow                                          fast
//	d.owner == c.owner inside a comprehension     ask input.usage: it is added up already
//	  for each change
//	a comparison with a field of the outer loop   bind it first: o := c.owner.unit, then d.owner.unit == o
//	by[c.id] := c if some c in … (partial rule)   by := {c.id: c | some c in …}, one value
//	ids contains c.id … and then ids[x]           x in ids
//	m[k] contains v, filled by a loop             object.union_n of small objects
//	every pair of changes                         group once by what they share, look up in the group
//
// Rules see no network, no host and no chance, so that a plan judged twice gets
// one verdict. Nothing can stop a builtin that has begun: rules are trusted as
// far as the target branch is.
//
// # Adding to this package
//
// A new built-in subject is a file builtin/<subject>.rego with a titled and
// described package and rules, and builtin/<subject>_test.rego that reaches
// every line. What it limits goes into the limits file: a field in limits.go, a
// reader in limits_read.go. What Rego cannot fold in linear time is counted in
// Go and handed in, as [ledger] is. A line in [limits.sights] says what the package
// sees of a change; without one it sees everything, and costs tens of times as much.
//
// The package refuses to fetch rules from anywhere, to keep anything between
// plans but compiled rules, and to decide by itself: a verdict is a rule's.
package policies
