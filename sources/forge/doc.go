// Package forge holds what the forges have in common: how one is configured
// and reached, which of its errors can be mended by trying again, and the rule
// that a status is written once.
//
// Each forge is a package below this one that satisfies sources.Forge through
// the client library of its makers: gitlab, gitea (Forgejo too) and github. To
// add one, write such a package around a [Client] and a [Journal], let
// forgetest.Run hold it against a double, and name it in cmd/provost.
//
// The package refuses to send a token in clear to another machine, to follow a
// redirect to another host, and to repeat what a server says without having
// taken the token out of it.
package forge
