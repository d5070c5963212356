package windows

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// A DNS record has no room for a mark, so a TXT record beside it holds it:
//
//	_provost.vm-x  TXT  "provost: campus=isima key=ad/record/vm-x.etu.isima.fr/A hash=… type=A file=… unit=…"
//
// One text is one mark, and a name may have several: one per type of record,
// and two while a value is changed. A mark of more than 254 characters is
// written as several texts,
//
//	"provost-part: <id> <sum> 1/2 provost:;campus=isima;key=…"
//
// each with a slice of the mark in which ";" stands for a space (a mark escapes
// real semicolons). The id says whose mark it is (campus and key, hashed), the
// sum is the hash of the whole mark: parts of different marks never mix, and a
// mark of which a part is missing is none.
const (
	markLabel  = "_provost"
	partPrefix = "provost-part: "
	partRoom   = 200 // characters of a slice; the rest of the 254 is for the head
)

// markName is the relative name of the marks of a relative name.
func markName(name string) string {
	if name == "@" {
		return markLabel
	}
	return markLabel + "." + name
}

// markedName is the reverse; it reports false for a name that is not a mark's.
func markedName(name string) (string, bool) {
	if name == markLabel {
		return "@", true
	}
	return strings.CutPrefix(name, markLabel+".")
}

// recordMark is the mark of a record with a value.
func recordMark(key inventory.Key, owner inventory.Owner, kind, value string) inventory.Mark {
	return inventory.Mark{Key: key, Owner: owner, Extra: map[string]string{"type": kind, "hash": valueHash(value)}}
}

func valueHash(value string) string { return hash([]byte(value))[:16] }

// markTexts are the texts that hold a mark.
func markTexts(m inventory.Mark) []string {
	line := m.String()
	if len(line) <= maxText {
		return []string{line}
	}
	head := partPrefix + partID(m.Owner.Campus, m.Key) + " " + hash([]byte(line))[:16]
	joined := strings.ReplaceAll(line, " ", ";")
	n := (len(joined) + partRoom - 1) / partRoom
	var texts []string
	for i := range n {
		slice := joined[i*partRoom : min((i+1)*partRoom, len(joined))]
		texts = append(texts, fmt.Sprintf("%s %d/%d %s", head, i+1, n, slice))
	}
	return texts
}

// markPrefixes are the beginnings, up to a space, of every text of ours for a
// key, whatever owner and value it speaks of.
func markPrefixes(campus string, key inventory.Key) []string {
	return []string{
		descriptionPrefix(campus, key),
		partPrefix + partID(campus, key) + " ",
	}
}

// descriptionPrefix is the beginning of every mark of ours for a key.
func descriptionPrefix(campus string, key inventory.Key) string {
	return inventory.Mark{Key: key, Owner: inventory.Owner{Campus: campus}}.String() + " "
}

func partID(campus string, key inventory.Key) string {
	return hash([]byte(campus + "\x00" + string(key)))[:16]
}

var partPattern = regexp.MustCompile(`^provost-part: [0-9a-f]{16} ([0-9a-f]{16}) ([1-9][0-9]?)/([1-9][0-9]?) (\S+)$`)

// parseMarks reads the marks among the texts of one name.
func parseMarks(texts []string) []inventory.Mark {
	var marks []inventory.Mark
	parts := map[string]map[int]string{} // by sum, then by number
	counts := map[string]int{}
	for _, text := range texts {
		if m, ok := inventory.ParseMark(text); ok {
			marks = append(marks, m)
			continue
		}
		if p := partPattern.FindStringSubmatch(text); p != nil {
			i, _ := strconv.Atoi(p[2])
			counts[p[1]], _ = strconv.Atoi(p[3])
			if parts[p[1]] == nil {
				parts[p[1]] = map[int]string{}
			}
			parts[p[1]][i] = p[4]
		}
	}
	for _, sum := range slices.Sorted(maps.Keys(parts)) {
		if m, ok := joinParts(sum, counts[sum], parts[sum]); ok {
			marks = append(marks, m)
		}
	}
	return marks
}

func joinParts(sum string, n int, parts map[int]string) (inventory.Mark, bool) {
	var line strings.Builder
	for i := range n {
		line.WriteString(parts[i+1])
	}
	text := strings.ReplaceAll(line.String(), ";", " ")
	if hash([]byte(text))[:16] != sum {
		return inventory.Mark{}, false
	}
	return inventory.ParseMark(text)
}
