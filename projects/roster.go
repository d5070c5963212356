package projects

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// readRoster reads a CSV file of students as a French spreadsheet saves it:
// UTF-8 with or without a byte order mark, or Windows-1252; semicolons, commas
// or tabs; the first row names the columns. A cell is read like the same key of
// a student in YAML, an empty one is a key left out. False means that no row can
// be trusted.
func (f *file) readRoster(data []byte, student *shape) ([]value, bool) {
	text, ok := decodeText(data)
	f.text = text
	if !ok {
		f.whole().refuse("save it as CSV UTF-8", "the file is neither UTF-8 nor Windows-1252")
		return nil, false
	}
	r := RosterRows(text)
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		f.whole().refuse("the first row names the columns: login;name", "the roster is empty, it has not even a first row")
		return nil, false
	} else if err != nil {
		f.csvError(err)
		return nil, false
	}
	columns, ok := f.columns(r, header, student)
	if !ok {
		return nil, false
	}
	var students []value
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return students, ok
		} else if err != nil {
			f.csvError(err)
			return students, false
		}
		if strings.Join(row, "") == "" {
			continue // spreadsheets save the empty rows below the table, too
		}
		v, good := f.row(r, row, columns)
		if ok = ok && good; good {
			students = append(students, v)
		}
	}
}

// column is one column of a roster. French heads are understood; a first name
// apart is put before the name.
type column struct {
	name  string
	shape *shape
}

var headSynonyms = map[string]string{
	"identifiant": "login", "nom": "name", "prenom": firstName, "nom complet": "name", "firstname": firstName, "first name": firstName,
}

const firstName = "first name"

func (f *file) columns(r *csv.Reader, header []string, student *shape) ([]column, bool) {
	var columns []column
	seen := map[string]bool{}
	ok := true
	known := []string{"login", "name"}
	for _, k := range student.keys {
		if (k.shape.kind != object && k.shape.kind != list || k.shape.kind == list && k.shape.elem.kind == text) && !slices.Contains(known, k.name) {
			known = append(known, k.name)
		}
	}
	for i, head := range header {
		name := strings.ToLower(plainLetters(strings.TrimSpace(head)))
		if synonym := headSynonyms[name]; synonym != "" {
			name = synonym
		}
		at := f.cell(r, i)
		switch {
		case seen[name]:
			at.refuse("keep one of the two", "column %q is there twice", head)
			ok = false
		case name == firstName:
			columns = append(columns, column{name, aText})
		case !slices.Contains(known, name):
			at.refuse(suggest(name, known), "unknown column %q", head)
			ok = false
		default:
			columns = append(columns, column{name, student.find(name).shape})
		}
		seen[name] = true
	}
	if ok && !seen["login"] {
		place{f, 1, 1}.refuse("the first row names the columns: login;name", "column \"login\" is missing")
		ok = false
	}
	return columns, ok
}

func (f *file) row(r *csv.Reader, row []string, columns []column) (value, bool) {
	v := value{place: f.cell(r, 0), inside: &inside{}}
	if len(row) > len(columns) {
		f.cell(r, len(columns)).refuse("put quotes round a cell that holds a separator", "the row has %d cells, the first row has %d", len(row), len(columns))
		return v, false
	}
	ok := true
	for i, cell := range row {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		at, c, read := f.cell(r, i), columns[i], (*shape).scalar
		if c.shape.kind == list {
			read = (*shape).splitScalar
		}
		if c.name == "login" {
			cell = strings.ToLower(cell)
		}
		field, good := read(c.shape, at, cell)
		if ok = ok && good; good {
			v.put(c.name, field)
		}
	}
	if ok && !v.get("login").set() {
		v.refuse("fill in the login, or delete the row", "the row has no login")
		ok = false
	}
	joinNames(v)
	return v, ok
}

// joinNames makes "Raphael AMATO" of the columns for the first and the last name.
func joinNames(v value) {
	first := v.get(firstName)
	if !first.set() {
		return
	}
	if i := slices.Index(v.keys, "name"); i >= 0 {
		first.text += " " + v.list[i].text
		v.list[i] = first
		return
	}
	v.put("name", first)
}

// cell is the place of a cell, with its column in characters.
func (f *file) cell(r *csv.Reader, i int) place {
	line, column := r.FieldPos(i)
	s := f.line(line)
	return place{f, line, utf8.RuneCountInString(s[:min(column-1, len(s))]) + 1}
}

func (f *file) csvError(err error) {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		place{f, parse.Line, parse.Column}.refuse("quotes go round a whole cell and are doubled inside it", "cannot be read as CSV: %v", parse.Err)
		return
	}
	f.whole().refuse("save it as CSV UTF-8", "cannot be read as CSV: %v", err)
}

// decodeText makes UTF-8 of what spreadsheets write. Bytes that are no UTF-8
// are Windows-1252, in which every byte but five means something.
func decodeText(data []byte) (string, bool) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		decoded, err := charmap.Windows1252.NewDecoder().Bytes(data)
		if err != nil {
			return "", false
		}
		data = decoded
	}
	s := string(data)
	return s, !strings.ContainsAny(s, "\x00\ufffd") // UTF-16 has zeros in it
}

// RosterRows reads the rows of a roster, the first of which names the columns. Whoever
// judges a roster cuts it into cells as it is cut here, or could be deceived.
func RosterRows(text string) *csv.Reader {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = delimiter(text), -1
	return r
}

// delimiter is what separates the heads in the first row.
func delimiter(text string) rune {
	first, _, _ := strings.Cut(text, "\n")
	best := ';'
	for _, d := range []rune{',', '\t'} {
		if strings.Count(first, string(d)) > strings.Count(first, string(best)) {
			best = d
		}
	}
	return best
}
