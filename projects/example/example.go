// Package example is a sample campus: the documentation of the formats, and what
// the demo and the end-to-end tests run on.
//
// The files lie in campus/ and are embedded as they are. To show a new key, write
// it there, with a comment for whoever reads it for the first time. The rosters
// are made by [Tree]; a test says how to write them anew.
//
// The package refuses to hold real people: every name is drawn from lists.
package example

import (
	"embed"
	"io/fs"

	"golang.org/x/text/encoding/charmap"

	"github.com/provost-dev/provost/projects"
)

//go:embed campus
var files embed.FS

// Roster and Registrar are the two rosters, relative to cohorts/. Roster is
// UTF-8 and has the columns login and name; Registrar is Windows-1252, as French
// spreadsheets save it.
const (
	Roster    = "zz2-2026-s1.csv"
	Registrar = "zz3-2026-s1.csv"
)

// Students is how many students the files of [FS] have in all.
const Students = 60

// FS is the campus repository.
func FS() fs.FS {
	sub, err := fs.Sub(files, "campus")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return sub
}

// Tree is the campus with that many students (at least one, who is in no
// roster). One in six is in the second cohort. The same seed draws the same names.
func Tree(students int, seed uint64) projects.Tree {
	tree, err := projects.ReadDir(FS())
	if err != nil {
		panic(err) // embedded files can be read
	}
	drawn := draw(max(0, students-1), seed)
	reserved := students / 6
	desktops := len(drawn) - min(reserved, len(drawn))
	tree["cohorts/"+Roster] = projects.File{Data: []byte(roster(drawn[:desktops]))}
	tree["cohorts/"+Registrar] = projects.File{Data: windows1252(roster(drawn[desktops:]))}
	return tree
}

func windows1252(s string) []byte {
	out, err := charmap.Windows1252.NewEncoder().Bytes([]byte(s))
	if err != nil {
		panic(err) // all names of the lists are Latin
	}
	return out
}
