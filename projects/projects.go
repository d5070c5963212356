// Package projects says what the YAML of a campus means.
package projects

import "github.com/provost-dev/provost/inventory"

// Desired is what should be, given what is.
type Desired struct {
	Resources []inventory.Resource // sorted by key
	// Files are the declaration files that are there, readable or not, by path;
	// the value says why nothing that the file declares may be touched, or is "".
	Files map[string]string
	// Units are the cohorts and projects that are declared ("cohort/gis3"),
	// with the number of machines each declares.
	Units map[string]int
	// Frozen are single keys that must be left alone this time, and why.
	Frozen []inventory.Unknown
	// Problems are all errors found, those that only the live state shows included.
	Problems []Problem
}
