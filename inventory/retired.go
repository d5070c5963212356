package inventory

import (
	"slices"
	"strings"
)

// What a guest's mark remembers once nothing declares the guest any more. Both
// are absent on a guest that is in use.
const (
	AttrRetired = "retired" // the day on which that was found, YYYY-MM-DD
	AttrRetain  = "retain"  // for how many days it is kept from then on
)

// retiredTag begins the tag by which people see a retired guest. The mark is
// what counts; the tag is for those who look at Proxmox.
const retiredTag = "provost-retired-"

// TagRetired adds the tag of a retired guest to tags in canonical form.
func TagRetired(tags, day string) string {
	list := append(splitTags(UntagRetired(tags)), retiredTag+day)
	slices.Sort(list)
	return strings.Join(list, ";")
}

// UntagRetired takes the tags of a retired guest away again.
func UntagRetired(tags string) string {
	return strings.Join(slices.DeleteFunc(splitTags(tags), func(t string) bool {
		return strings.HasPrefix(t, retiredTag)
	}), ";")
}

func splitTags(tags string) []string {
	return strings.FieldsFunc(tags, func(r rune) bool { return r == ';' })
}
