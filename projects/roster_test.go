package projects

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const rosterCohort = `apiVersion: provost/v1
kind: Cohort
title: ZZ2
cluster: cri
template: {base: debian, cores: 1, memory: 512, net0: wlan}
flavours: {big: {memory: 4096}}
roster: r.csv
`

// TestRosters reads what spreadsheets save: every one is Hélène, and none is wrong.
func TestRosters(t *testing.T) {
	windows := func(s string) string {
		out, err := charmap.Windows1252.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, text := range map[string]string{
		"UTF-8, semicolons": "login;name\nhgauthi;Hélène GAUTHIER\n",
		"commas":            "login,name\nhgauthi,Hélène GAUTHIER\n",
		"tabs":              "login\tname\nhgauthi\tHélène GAUTHIER\n",
		"byte order mark":   "\ufefflogin;name\nhgauthi;Hélène GAUTHIER\n",
		"Windows-1252":      windows("login;name\r\nhgauthi;Hélène GAUTHIER\r\n"),
		"no final newline":  "login;name\nhgauthi;Hélène GAUTHIER",
		"quotes":            "\"login\";\"name\"\n\"hgauthi\";\"Hélène GAUTHIER\"\n",
		"spaces":            " Login ; Name \n hgauthi ; Hélène GAUTHIER \n",
		"capital login":     "login;name\nHGAUTHI;Hélène GAUTHIER\n",
		"other order":       "name;login\nHélène GAUTHIER;hgauthi\n",
		"French heads":      "Identifiant;Nom;Prénom\nhgauthi;GAUTHIER;Hélène\n",
		"French, 1252":      windows("Prénom;Nom;Identifiant\nHélène;GAUTHIER;hgauthi\n"),
		"empty rows":        "login;name\n\nhgauthi;Hélène GAUTHIER\n;\n;\n",
		"empty cells":       "login;name;memory;node\nhgauthi;Hélène GAUTHIER;;\n",
		"short row":         "login;name;memory\nhgauthi;Hélène GAUTHIER\n",
		"comma in a name":   "login;name\nhgauthi;\"Hélène GAUTHIER\"\n",
		"further columns":   "login;name;cores;tags\nhgauthi;Hélène GAUTHIER;1;a, b\n",
		"combining accents": "login;name\nhgauthi;He\u0301le\u0300ne GAUTHIER\n",
	} {
		t.Run(name, func(t *testing.T) {
			d := Load(tree(t, "cohorts/a.yaml", rosterCohort, "cohorts/r.csv", text)).Desired(nil)
			noProblems(t, d)
			g := find(t, d, "cri/guest/vm-hgauthi")
			want := "CT perso pour Hélène GAUTHIER - ZZ2"
			if name == "combining accents" {
				want = "CT perso pour He\u0301le\u0300ne GAUTHIER - ZZ2"
			}
			if g.Attrs["description"] != want || g.Owner.Student != "hgauthi" || d.Units["cohort/a"] != 1 {
				t.Errorf("%v %v", g.Attrs, g.Owner)
			}
		})
	}
}

func TestRosterOverrides(t *testing.T) {
	d := Load(tree(t, "cohorts/a.yaml", rosterCohort, "cohorts/r.csv",
		"login;memory;flavour;node;hostname;rebuild;tags\n"+
			"ada;;big;;;;\n"+
			"bob;1024;big;pve2;tp-{login};2;a, b\n"+
			"carl.von;;;;;;\n")).Desired(nil)
	noProblems(t, d)
	if m := find(t, d, "cri/guest/vm-ada").Attrs["memory"]; m != "4096" {
		t.Errorf("a flavour outweighs the template: %s", m)
	}
	bob := find(t, d, "cri/guest/tp-bob").Attrs
	if bob["memory"] != "1024" || bob["node"] != "pve2" || bob["rebuild"] != "2" || bob["tags"] != "a;b;cohort-a;provost" {
		t.Errorf("a student outweighs the flavour: %v", bob)
	}
	if find(t, d, "cri/guest/vm-carl-von").Owner.Student != "carl.von" {
		t.Error("the login of the owner is as it is written")
	}
}

func TestRosterRefusesUTF16(t *testing.T) {
	p := Load(tree(t, "cohorts/a.yaml", rosterCohort, "cohorts/r.csv", "\xff\xfel\x00o\x00g\x00i\x00n\x00")).Problems()
	if len(p) != 2 || !strings.Contains(p[1].Hint, "CSV UTF-8") {
		t.Errorf("%v", p)
	}
}

func TestEmptyRosterIsNoError(t *testing.T) {
	d := Load(tree(t, "cohorts/a.yaml", rosterCohort, "cohorts/r.csv", "login;name\n")).Desired(nil)
	noProblems(t, d)
	if n, there := d.Units["cohort/a"]; n != 0 || !there {
		t.Errorf("units %v: the guard must see that the cohort is there and empty", d.Units)
	}
}

// TestCount: ten machines alike, for a project and for each student.
func TestCount(t *testing.T) {
	d := Load(tree(t,
		"projects/a.yaml", project(`hostname: "tp-{n:02}", count: 10, ip: 10.0.0.20`),
		"cohorts/a.yaml", strings.Replace(rosterCohort, "net0: wlan", "net0: wlan, count: 2", 1), "cohorts/r.csv", "login\nada\n")).Desired(nil)
	noProblems(t, d)
	if ip := find(t, d, "cri/guest/tp-10").Attrs["net0.ip"]; ip != "10.0.0.29/24" {
		t.Errorf("the tenth has %s", ip)
	}
	if !has(d, "cri/guest/vm-ada-1") || !has(d, "cri/guest/vm-ada-2") || d.Units["project/a"] != 10 || d.Units["cohort/a"] != 2 {
		t.Errorf("units %v", d.Units)
	}
}

// FuzzRoster: no roster panics, and each problem has its place in the text.
func FuzzRoster(f *testing.F) {
	for _, seed := range []string{
		"login;name\nada;Ada\n", "login,name\r\nada,\"A, B\"\r\n", "\ufeffIdentifiant\tPr\u00e9nom\n", "login\n\"\"\"\n",
		"login;name\nh\xe9l\xe8ne;x\n", "login;memory\nada;lots\n\xff\xfe\x00", "a;b;c\n;;;;;;\n", "login;login\n", "\"\nlogin\"\nx",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &file{path: "r.csv"}
		students, ok := r.readRoster(data, cohortShape.find("students").shape.elem)
		if !ok && len(r.problems) == 0 {
			t.Error("refused without a reason")
		}
		checkPlaces(t, r)
		for _, s := range students {
			if ok && !loginLike.re.MatchString(s.get("login").text) {
				t.Errorf("login %q", s.get("login").text)
			}
		}
	})
}

// checkPlaces holds every problem to a place that is there.
func checkPlaces(t *testing.T, f *file) {
	t.Helper()
	for _, p := range f.problems {
		if p.Line < 0 || p.Line > strings.Count(f.text, "\n")+1 || p.Line > 0 && p.Column < 1 {
			t.Errorf("%s is nowhere: %s", p.Place(), p.Message)
		}
		if !utf8.ValidString(p.Excerpt) || strings.ContainsAny(p.Excerpt, "\x1b\n") {
			t.Errorf("excerpt %q", p.Excerpt)
		}
	}
}
