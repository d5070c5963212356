package forgetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/sources"
)

// People is a double that knows who is who.
type People interface {
	Forge(t *testing.T) sources.Forge
	// Group makes the group campus/NAME with those members, and another that has
	// NAME in its name and none of them.
	Group(t *testing.T, name string, members []string)
	// Push moves a branch as somebody, and gives the commit that it is at then.
	Push(t *testing.T, branch, login string) string
	Down()
}

// RunDirectory holds a forge to what all forges have to tell of people.
func RunDirectory(t *testing.T, start func(t *testing.T) People) {
	server := start(t)
	forge, ok := server.Forge(t).(sources.Directory)
	if !ok {
		t.Fatal("it is no directory")
	}
	var many []string
	for i := range 230 { // more than two pages of any forge
		many = append(many, fmt.Sprintf("student%03d", i))
	}
	server.Group(t, "students", many)
	got, err := forge.Members(t.Context(), "campus/students")
	slices.Sort(got)
	if err != nil || !slices.Equal(got, many) {
		t.Errorf("%d members, %v", len(got), err)
	}
	if got, err := forge.Members(t.Context(), "campus/nobody"); err == nil {
		t.Errorf("a group that is not there has the members %v", got)
	}

	first := server.Push(t, "main", "ada")
	other := server.Push(t, "other", "eve")
	last := server.Push(t, "main", "bob")
	pushers, err := forge.Pushers(t.Context(), "main", first)
	if err != nil || pushers[first] != "ada" || pushers[last] != "bob" || pushers[other] != "" {
		t.Errorf("pushers %v, %v", pushers, err)
	}
	if got, err := forge.Pushers(t.Context(), "main", "unheard of"); err != nil || got[last] != "bob" {
		t.Errorf("pushers %v, %v", got, err)
	}

	server.Down()
	if got, err := forge.Members(t.Context(), "campus/students"); err == nil || len(got) > 0 {
		t.Errorf("of a server that is down: %d members, %v", len(got), err)
	}
	_, err = forge.Pushers(t.Context(), "main", first)
	if err == nil || strings.Contains(err.Error(), Token) {
		t.Errorf("of a server that is down: %v", err)
	}
}
