package trust

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/provost-dev/provost/projects"
)

// rosterDifference compares two CSV files row by row. What decides how the rest
// is read, the first row and the encoding, must be the same in both.
func rosterDifference(before, after []byte) ([]part, bool) {
	a, head, ok := roster(before)
	b, same, fine := roster(after)
	firstA, _, _ := bytes.Cut(before, []byte("\n"))
	firstB, _, _ := bytes.Cut(after, []byte("\n"))
	if !ok || !fine || !slices.Equal(head, same) || !bytes.Equal(firstA, firstB) || utf8.Valid(before) != utf8.Valid(after) {
		return nil, false
	}
	var parts []part
	for _, login := range union(a.logins, b.logins) {
		was, is := a.rows[login], b.rows[login]
		flavour := cell(is, slices.Index(head, "flavour"))
		for i, column := range head {
			if x, y := cell(was, i), cell(is, i); x != y || was == nil || is == nil {
				parts = append(parts, part{list: studentsList, entry: login, field: column, value: y, removed: y == "", flavour: flavour})
			}
		}
	}
	return parts, true
}

func cell(row []string, i int) string {
	if i < 0 || i >= len(row) {
		return ""
	}
	return strings.TrimSpace(row[i])
}

type students struct {
	logins []string
	rows   map[string][]string
}

// roster reads the rows of a CSV file as package projects does, without the
// words that it means.
func roster(data []byte) (students, []string, bool) {
	out := students{rows: map[string][]string{}}
	rows, err := projects.RosterRows(strings.TrimPrefix(string(data), "\xef\xbb\xbf")).ReadAll()
	if err != nil || len(rows) == 0 {
		return out, nil, false
	}
	head := make([]string, len(rows[0]))
	for i := range rows[0] {
		head[i] = strings.ToLower(strings.TrimSpace(rows[0][i]))
	}
	at := max(slices.Index(head, "login"), slices.Index(head, "identifiant"))
	if at < 0 {
		return out, nil, false
	}
	for _, row := range rows[1:] {
		login := strings.ToLower(cell(row, at))
		switch {
		case strings.Join(row, "") == "":
		case login == "" || out.rows[login] != nil || len(row) > len(head):
			return out, nil, false
		default:
			out.logins, out.rows[login] = append(out.logins, login), row
		}
	}
	return out, head, true
}
