// Package projects says what the YAML of a campus means.
//
// [Load] reads a [Tree]: campus.yaml (clusters, networks, zones), projects/*.yaml
// (a list of machines each), cohorts/*.yaml with their CSV rosters (a machine for
// each student), keys/*.pub (SSH key sets). Everything else is ignored. What is
// wrong comes as a [Problem] with file, line, column and a hint, all of it at
// once; a broken file freezes what it declares and nothing else, a broken
// campus.yaml freezes everything.
//
// [Campus.Desired] turns that into resources, given what is live: VMIDs, MACs,
// nodes and reserved addresses are derived from names, so that nothing needs to
// be remembered, and what is live always wins over what is derived.
//
// To add a key to a format, add a line to formats.go (the decoder and the JSON
// Schema are both made from it) and read it beside its neighbours in
// hardware.go, network.go, dns.go or machine.go.
//
// The package refuses to do I/O (but for [ReadDir]), to look at a clock (whoever
// calls [LoadAt] or asks a [Calendar] says what time it is), and to guess: an
// ambiguous declaration is refused.
package projects

import (
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Desired is what should be, given what is.
type Desired struct {
	Resources []inventory.Resource // sorted by key
	// Files are the declaration files that are there, readable or not, by path;
	// the value says why nothing that the file declares may be touched, or is "".
	Files map[string]string
	// Units are the cohorts and projects that are declared ("cohort/gis3"),
	// with the number of machines each declares; 0 where the file is broken.
	Units map[string]int
	// Retention is for how long machines are kept after their declaration went.
	Retention Retention
	// Drift says what becomes of fields that somebody changed behind our back.
	Drift Drift
	// Reboots are the guests that may be restarted so that they take what is
	// written, and when: window or now.
	Reboots map[inventory.Key]string
	// Calendar says when what may change.
	Calendar Calendar
	// Ends are those of the cohorts that have one. One that is over declares nothing.
	Ends map[string]End
	// Frozen are single keys that must be left alone this time, and why.
	Frozen []inventory.Unknown
	// Problems are all errors found, those that only the live state shows included.
	Problems []Problem
}

// End is that of a cohort.
type End struct {
	LastDay string    // as it is written, YYYY-MM-DD
	At      time.Time // the end of that day
	Over    bool      // it has come
}
