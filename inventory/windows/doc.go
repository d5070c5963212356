// Package windows is Windows DNS and DHCP as one live system, over WinRM.
//
// It lists and changes records of the zones it is told to manage, reservations
// and the lines of the MAC filter, and it shows zones, scopes, leases, dynamic
// and foreign records without touching them. Zones live in Active Directory, so
// one DNS server is asked, and the next when it does not answer; reservations
// and filters are per server, so each fail-over partner is written directly.
//
// A pass is one command per server. A command is a constant bootstrap, a
// constant script (list or apply) and one JSON document on standard input; the
// answer is framed and hashed. CONTRACT.md is the whole interface; the double in
// winsim is built against it. Data never becomes text of a program.
//
// # Ownership
//
// Reservations and filters carry their mark in their description. A DNS record
// has none, so a TXT record at _provost.<name> holds it, with the record's type
// and a hash of its value (see marks.go). It is written before the record and
// removed after it: a record is ours if a mark of ours has the hash of the value
// that stands. While a value is changed the marks of the old and of the new one
// stand side by side, so a daemon may be killed between any two steps. A mark
// whose record is missing is listed as a record of ours with an empty value,
// which the next pass completes or clears away.
//
// # To add to it
//
// A type of record is a case in value.go, and one in common.ps1 and apply.ps1. A
// kind of thing is a document in document.go and a group in apply.ps1. The
// grammar check and testdata/cmdlets.json then judge the scripts.
//
// # What it refuses
//
// It never touches what carries no mark of ours or what a client wrote (a record
// with a time stamp); never lets clients update a record; never makes a PTR on
// the side (where an address record goes, Windows itself tries to remove the PTR
// that points back, and no cmdlet spares it); never enables a filter list; and never
// starts a replication between fail-over partners, which would push what others
// have changed. It speaks HTTPS only, with the server's certificate verified, and
// ignores proxies from the environment.
package windows
