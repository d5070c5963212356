package projects

import (
	"slices"
	"strings"
)

// suggest is a hint that names the known word nearest to a mistyped one, or
// lists the words where none is near.
func suggest(got string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, distance := "", len(got)/3+1
	for _, word := range known {
		if d := editDistance(strings.ToLower(got), strings.ToLower(word)); d < distance {
			best, distance = word, d
		}
	}
	const most = 12
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(known) == 0:
		return ""
	case len(known) == 1:
		return "write " + known[0]
	case len(known) > most:
		known = append(known[:most], "…")
	}
	return "known are " + strings.Join(known, ", ")
}

// editDistance counts the letters to insert, delete, change or swap with their
// neighbour to get from a to b.
func editDistance(a, b string) int {
	const longest = 64 // nobody mistypes more; keeps hostile input cheap
	if len(a) > longest || len(b) > longest {
		return longest
	}
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
