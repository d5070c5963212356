package inventory

import (
	"maps"
	"slices"
	"strings"
)

// Attrs are a resource's attributes in canonical form; see the package
// documentation for the names, shapes and units of each kind.
type Attrs map[string]string

// CreateOnly reports whether an attribute is used at creation only and is
// therefore never compared.
func CreateOnly(name string) bool { return strings.HasPrefix(name, "create.") }

// Owner says for whom a thing exists and where it is declared. On a live
// resource it is what the thing's own mark says; a zero owner means that the
// thing carries no mark of ours and must never be changed or deleted.
type Owner struct {
	Campus  string `json:"campus,omitempty"`  // the campus whose mark it is
	File    string `json:"file,omitempty"`    // path of the declaration in the repository
	Unit    string `json:"unit,omitempty"`    // "project/<name>" or "cohort/<name>"
	Student string `json:"student,omitempty"` // login
}

// IsZero reports whether nobody of ours owns the thing.
func (o Owner) IsZero() bool { return o == Owner{} }

// String is how an owner is shown to people.
func (o Owner) String() string {
	switch {
	case o.Student != "" && o.Unit != "":
		return o.Unit + "/" + o.Student
	case o.Student != "":
		return "student/" + o.Student
	default:
		return o.Unit
	}
}

// Resource is one thing that exists, or should.
type Resource struct {
	Key   Key   `json:"key"`
	Attrs Attrs `json:"attrs"`
	Owner Owner `json:"owner,omitzero"`
	// Needs are the resources that must stand before this one is made or
	// changed, and that may only go after it. Desired resources only.
	Needs []Key `json:"needs,omitempty"`
	// Was is the key under which a renamed thing may still be live.
	Was Key `json:"was,omitempty"`
	// Adopts is the foreign resource that the declaration takes over.
	Adopts Key `json:"adopts,omitempty"`
}

// Clone returns a copy that shares nothing with r.
func (r Resource) Clone() Resource {
	r.Attrs = maps.Clone(r.Attrs)
	r.Needs = slices.Clone(r.Needs)
	return r
}

// Unknown is a part of a system that could not be read this time. Nothing
// below Prefix is created, changed or deleted; the rest goes on.
type Unknown struct {
	Prefix Key    `json:"prefix"` // a key, or everything below one
	Reason string `json:"reason"`
}

// Listing is what a system answered. Items may still hold what was last known
// of an Unknown part, so that its VMIDs and addresses stay taken.
type Listing struct {
	Items   []Resource
	Unknown []Unknown
}
