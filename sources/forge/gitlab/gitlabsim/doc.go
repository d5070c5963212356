// Package gitlabsim is a double of a GitLab server on a real socket, for tests,
// the demo and the benchmark.
//
// It speaks three things, as GitLab does:
//
//   - the REST API below /api/v4 that provost and its webhooks need: projects,
//     commits, commit statuses with GitLab's state machine and pipelines, merge
//     requests with their approvals, notes, badges, the user, members of groups, push events; with
//     tokens, scopes, roles, pages;
//   - git over smart HTTP at /<project>.git, through the git binary's own
//     upload-pack and receive-pack, with refs/merge-requests/N/head kept;
//   - pages for people at /<project>/-/commits/<branch> and
//     /<project>/-/merge_requests.
//
// It is stricter than the real one where that finds bugs: two statuses written
// to one commit at the same time get 409 at once (GitLab waits ten seconds
// first), and nothing but the pages is answered without a token.
//
// Tests make it misbehave by [Server.Inject] and [Server.Down].
//
// To add an endpoint, add a method that takes a *call to the file of its noun
// and a line to the table in routes.go; take the texts of errors from GitLab's
// source and not from memory.
//
// What it does not prove: anything about GitLab's speed, its permissions beyond
// roles and scopes, protected branches other than the default one, job limits
// (inject a 422), archived or moved projects (inject a 301 or 405), merged
// results pipelines, or versions that differ from the one read.
//
// It refuses to listen on anything but loopback.
package gitlabsim
