// Package faults repeats a campus's apply once for every request, command and
// git or forge call that it makes, each time with one of them going wrong, and
// looks at what the next passes make of it.
//
// The reconciler and its clients are the real ones; the doubles of Proxmox,
// Windows and GitLab stand behind a [Wire] that knows each call by its [Point]
// and may refuse it, leave it hanging, answer it with an error, lose its answer,
// let its task fail, or end the process there. Everything runs in virtual time,
// one bubble of testing/synctest a case.
//
// To add a way to fail, add a [Fault] and what it does to the two kinds of
// call: an HTTP exchange (courier.go) and a connection (dial.go). To add a system,
// dial it or carry its requests through the Wire in clients.go, and count what it
// holds in inspect.go.
//
// The package refuses to know how provost mends anything: it looks only at what
// stands in the doubles afterwards.
package faults
