package projects

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/untrusted"
)

// Whatever stands in a declaration comes out as it was written, or is refused at
// its place in words that a terminal, a page and a commit status can show.

// What people write for people may hold anything that can be kept and shown.
func TestUntrustedTexts(t *testing.T) {
	const guest, attr = "cri/guest/m", "description"
	for _, u := range untrusted.Texts() {
		text := u.Text
		for where, c := range map[string]struct {
			tree Tree
			key  inventory.Key
			attr string
			want string
		}{
			"description": {tree(t, "projects/a.yaml", project("hostname: m, description: "+quoted(text))), guest, attr, strings.TrimSpace(text)},
			"name": {
				tree(t, "cohorts/a.yaml", cohort("description: \"{name}\"", "{login: m, hostname: m, name: "+quoted(text)+"}")),
				guest, attr, strings.TrimSpace(text),
			},
			"roster": {
				tree(t, "cohorts/a.yaml", cohort("description: \"{name}\"")+"roster: a.csv\n", "cohorts/a.csv", row(text)),
				"cri/guest/vm-m", attr, cell(text),
			},
			"title": {
				tree(t, "cohorts/a.yaml", "title: "+quoted(text)+"\n"+cohort("description: \"{cohort}\"", "{login: m, hostname: m}")),
				guest, attr, strings.TrimSpace(text),
			},
			"TXT": {
				tree(t, "projects/a.yaml", project("hostname: m.x.fr, txt: {\"@\": "+quoted(text)+"}")),
				"ad/record/m.x.fr/TXT", "value", text,
			},
		} {
			d := Load(c.tree).Desired(nil)
			if refused(t, u.Name+" in "+where, d.Problems) {
				continue
			}
			got := find(t, d, c.key).Attrs[c.attr]
			if got != c.want {
				t.Errorf("%s in %s: became %q", u.Name, where, short(got))
			}
			if r := untrusted.Obeyed(got); r >= 0 {
				t.Errorf("%s in %s: %U was let in", u.Name, where, r)
			}
			if c.attr == attr && inventory.StripMark(got) != got {
				t.Errorf("%s in %s: it would be taken for a mark", u.Name, where)
			}
			if where == "TXT" && !printable(got) {
				t.Errorf("%s: a server would refuse this TXT record later, where nobody is told the line", u.Name)
			}
		}
	}
}

// A description must still fit when names are filled in and the mark stands below.
func TestLongDescriptions(t *testing.T) {
	for n, good := range map[int]bool{3400: true, 3600: false} {
		name := strings.Repeat("n", n)
		d := Load(tree(t, "cohorts/a.yaml", cohort("description: \"{name}{name}\"", "{login: m, name: "+name+"}"))).Desired(nil)
		if refused(t, "a long name", d.Problems) == good {
			t.Errorf("twice %d letters: %v", n, d.Problems)
		}
	}
}

// What names something is refused, or made of the letters that such a name has.
func TestUntrustedNames(t *testing.T) {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@-+;,= \n"
	for _, u := range untrusted.Texts() {
		text := quoted(u.Text)
		for _, machine := range []string{
			"hostname: " + text, "hostname: m, node: " + text, "hostname: m, pool: " + text, "hostname: m, tags: [" + text + "]",
			"hostname: m, tags: " + text, "hostname: m, storage: " + text, "hostname: m, base: " + text, "hostname: m, net0: " + text,
			"hostname: m, net0: \"name=eth0,bridge=\" , net1: " + text, "hostname: m, ip: " + text, "hostname: m, mac: " + text,
			"hostname: m, searchdomain: " + text, "hostname: m, nameserver: " + text, "hostname: m, zone: " + text,
			"hostname: m, features: [" + text + "]", "hostname: m, was: " + text, "hostname: m.x.fr, cname: [" + text + "]",
			"hostname: m.x.fr, txt: {" + text + ": a}", "hostname: m, ssh-public-keys: " + text, "hostname: m, memory: " + text,
			"hostname: m, " + text + ": a", "hostname: m, dns: " + text, "hostname: m, power: " + text,
		} {
			d := Load(tree(t, "projects/a.yaml", project(machine))).Desired(nil)
			if refused(t, u.Name+" in "+short(machine), d.Problems) {
				continue
			}
			for _, r := range d.Resources {
				all := string(r.Key) + r.Owner.String() + r.Owner.File
				for _, value := range r.Attrs {
					all += value
				}
				if at := strings.IndexFunc(all, func(r rune) bool { return !strings.ContainsRune(safe, r) }); at >= 0 {
					t.Errorf("%s in %s: %q came through", u.Name, short(machine), short(all[at:]))
				}
			}
		}
	}
}

// Logins and files have names, too; and a file need not be YAML at all.
func TestUntrustedFiles(t *testing.T) {
	for _, u := range untrusted.Texts() {
		for what, files := range map[string]Tree{
			"login":    tree(t, "cohorts/a.yaml", cohort("onboot: 1", "{login: "+quoted(u.Text)+"}")),
			"flavour":  tree(t, "cohorts/a.yaml", cohort("onboot: 1", "{login: m, flavour: "+quoted(u.Text)+"}")),
			"path":     tree(t, "projects/"+u.Text+".yaml", project("hostname: m")),
			"as it is": tree(t, "projects/a.yaml", u.Text),
			"value":    tree(t, "projects/a.yaml", "cluster: cri\nworkspace: "+u.Text+"\nct: [{hostname: m}]\n"),
			"CSV":      tree(t, "cohorts/a.yaml", cohort("onboot: 1")+"roster: a.csv\n", "cohorts/a.csv", u.Text),
			"keys":     tree(t, "keys/a.pub", u.Text),
			"campus":   {campusFile: {Data: []byte(u.Text)}},
		} {
			d := Load(files).Desired(nil)
			if !refused(t, u.Name+" as "+what, d.Problems) && what != "value" && what != "login" && what != "path" && what != "CSV" {
				t.Errorf("%s as %s: nobody complained", u.Name, what)
			}
			for _, r := range d.Resources {
				if _, err := inventory.ParseKey(string(r.Key)); err != nil || untrusted.Obeyed(string(r.Key)) >= 0 {
					t.Errorf("%s as %s: made %q", u.Name, what, r.Key)
				}
			}
		}
	}
}

// refused reports whether there is an error, and demands that each can be shown:
// on few lines, harmless, with its place in the file.
func refused(t *testing.T, what string, problems []Problem) bool {
	t.Helper()
	errors := false
	for _, p := range problems {
		errors = errors || !p.Warning
		shown := p.Message + p.Hint + p.Excerpt
		if r := untrusted.Obeyed(shown); r >= 0 || strings.Contains(shown, "\n") {
			t.Errorf("%s: the error would be obeyed (%U): %q", what, r, short(shown))
		}
		if utf8.RuneCountInString(p.Message) > 500 || utf8.RuneCountInString(p.Hint) > 500 {
			t.Errorf("%s: the error has %d characters: %s", what, len(p.Message), short(p.Message))
		}
		if !p.Warning && (p.Line == 0 || p.Column == 0) && !aboutTheFile(p) {
			t.Errorf("%s: the error has no place: %s", what, short(shown))
		}
	}
	return errors
}

// aboutTheFile tells errors that no line has: a file that is no text, or has a
// name that it may not have, and what a broken campus.yaml does to others.
func aboutTheFile(p Problem) bool {
	for _, about := range []string{"the file", "cannot be read as YAML", "the roster is empty", "only files directly in", "the key set is empty", "is also declared", "campus.yaml"} {
		if strings.Contains(p.Message, about) {
			return true
		}
	}
	return false
}

// cohort is a cohort file with a template that has one more key, and students.
func cohort(more string, students ...string) string {
	s := "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\n" +
		"template: {kind: ct, base: debian, cores: 1, memory: 512, net0: lan, " + more + "}\n"
	if len(students) > 0 {
		s += "students: [" + strings.Join(students, ", ") + "]\n"
	}
	return s
}

// quoted is a text as YAML writes it in double quotes; bytes that are no text
// stand there as they are.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteByte(s[i])
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "\\U%08X", r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// cell is what a text means in a cell: without a login of its own the student's
// name is the login, CSV has one end of line, and what is not UTF-8 is Windows-1252.
func cell(text string) string {
	text, _ = decodeText([]byte(";" + text))
	if text = strings.TrimSpace(strings.ReplaceAll(text[1:], "\r\n", "\n")); text == "" {
		return "m"
	}
	return text
}

// row is a roster with one student of that name.
func row(name string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Comma = ';'
	w.WriteAll([][]string{{"login", "name"}, {"m", name}}) //nolint:errcheck // into memory
	return b.String()
}

func short(s string) string {
	if runes := []rune(s); len(runes) > 120 {
		return string(runes[:120]) + "…"
	}
	return s
}
