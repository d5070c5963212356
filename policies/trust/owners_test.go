package trust

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/projects"
)

const ownersText = `apiVersion: provost/v1
kind: Owners
unowned: deny
rules:
- paths: "**"
  who: [camille, group:cri/admins]
- paths: [projects/**, "cohorts/*"]
  who: group:cri/teachers
- paths: cohorts/*
  who: anyone
  entry: own
  fields: {power: any, cores: flavour, flavour: any}
- paths: projects/tp-{login}.yaml
  who: group:cri/students
`

const cohort = `apiVersion: provost/v1
kind: Cohort
template: {cores: 2, memory: 2048}
flavours:
  calcul: {cores: 8}
students:
- login: rapamato
  flavour: calcul
- login: zoe
`

func tree(files ...string) projects.Tree {
	t := projects.Tree{}
	for i := 0; i < len(files); i += 2 {
		t[files[i]] = projects.File{Data: []byte(files[i+1])}
	}
	return t
}

func owners(t *testing.T, text string) *Owners {
	t.Helper()
	rules, problems := Read(tree(ownersFile, text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return rules.Owners
}

// edited replaces text in the cohort file.
func edited(t *testing.T, pairs ...string) string {
	t.Helper()
	text := cohort
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the cohort holds no %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

var groups = map[string][]string{
	"cri/admins":   {"olivier"},
	"cri/teachers": {"lena"},
	"cri/students": {"rapamato", "zoe"},
}

func edit(login, path, before, after string) Edit {
	e := Edit{Before: projects.Tree{}, After: projects.Tree{}, Changed: []string{path}, Login: login}
	if before != "" {
		e.Before[path] = projects.File{Data: []byte(before)}
	}
	if after != "" {
		e.After[path] = projects.File{Data: []byte(after)}
	}
	e.Member = func(group string) (bool, error) {
		if group == "down" {
			return true, errors.New("no answer")
		}
		return slices.Contains(groups[group], login), nil
	}
	return e
}

func places(list []Trespass) string {
	var out []string
	for _, t := range list {
		out = append(out, t.place())
	}
	return strings.Join(out, "; ")
}

func TestTrespasses(t *testing.T) {
	const file = "cohorts/zz2.yaml"
	of := func(login, after string) Edit { return edit(login, file, cohort, after) }
	roster := "login;name;power\nrapamato;Raphael;\nzoe;Zoé;\n"
	for _, c := range []struct {
		name string
		edit Edit
		want string // places, or "" where all is well
	}{
		{"an administrator by name", edit("Camille", "policies/limits.yaml", "a: 1\n", ""), ""},
		{"one by group", edit("olivier", "campus.yaml", "a: 1\n", "a: 2\n"), ""},
		{"a teacher within", edit("lena", "projects/wiki.yaml", "", "a: 2\n"), ""},
		{"a teacher beyond", edit("lena", "policies/limits.yaml", "a: 1\n", "a: 2\n"), "policies/limits.yaml"},
		{"the owners file itself", edit("rapamato", ownersFile, "a: 1\n", "a: 2\n"), ownersFile},
		{"a stranger", edit("mallory", "projects/wiki.yaml", "a: 1\n", "a: 2\n"), "projects/wiki.yaml"},
		{"nobody", edit("", file, cohort, edited(t, "login: zoe", "login: zoe\n  power: stopped")), file},

		{"his own file", edit("rapamato", "projects/tp-rapamato.yaml", "", "a: 1\n"), ""},
		{"another's file", edit("rapamato", "projects/tp-zoe.yaml", "", "a: 1\n"), "projects/tp-zoe.yaml"},
		{"his own file in a folder", edit("rapamato", "projects/x/tp-rapamato.yaml", "", "a: 1\n"), "projects/x/tp-rapamato.yaml"},

		{"his power", of("rapamato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  power: stopped\n-")), ""},
		{"his login in capitals", of("RapAmato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  power: stopped\n-")), ""},
		{"his memory", of("rapamato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  memory: 9000\n-")), file + " rapamato memory"},
		{"cores as the flavour has", of("rapamato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  cores: 8\n-")), ""},
		{"cores in quotes", of("rapamato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  cores: \"8\"\n-")), ""},
		{"more cores than the flavour has", of("rapamato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  cores: 9\n-")), file + " rapamato cores"},
		{"cores that are no number", of("rapamato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  cores: 0x8\n-")), file + " rapamato cores"},
		{"more cores by a flavour of his own", of("rapamato", edited(t, "flavour: calcul\n-", "flavour: calcul\n  cores: 9\n-", "{cores: 8}", "{cores: 9}")),
			file + " flavours.calcul.cores; " + file + " rapamato cores"},
		{"cores as the template has", of("zoe", edited(t, "login: zoe", "login: zoe\n  cores: 2")), ""},
		{"more cores than the template has", of("zoe", edited(t, "login: zoe", "login: zoe\n  cores: 3")), file + " zoe cores"},
		{"another flavour, and its cores", of("zoe", edited(t, "login: zoe", "login: zoe\n  flavour: calcul\n  cores: 8")), ""},
		{"another's power", of("zoe", edited(t, "flavour: calcul\n-", "flavour: calcul\n  power: stopped\n-")), file + " rapamato power"},
		{"another's login", of("zoe", edited(t, "login: rapamato", "login: zoe2")), file + " rapamato login; " + file + " rapamato flavour; " + file + " zoe2 login; " + file + " zoe2 flavour"},
		{"leaving", of("zoe", edited(t, "- login: zoe\n", "")), file + " zoe login"},
		{"somebody more", of("zoe", edited(t, "- login: zoe\n", "- login: zoe\n- login: eve\n")), file + " eve login"},
		{"himself twice", of("zoe", edited(t, "- login: zoe\n", "- login: zoe\n- login: Zoe\n")), file},
		{"an anchor", of("zoe", edited(t, "- login: zoe\n", "- &z\n  login: zoe\n- *z\n")), file},
		{"a merge key", of("zoe", edited(t, "- login: zoe\n", "- login: zoe\n  <<: {memory: 9000}\n")), file},
		{"a tag", of("zoe", edited(t, "- login: zoe\n", "- login: !!str zoe\n")), file},
		{"a key twice", of("zoe", edited(t, "- login: zoe\n", "- login: zoe\n  power: stopped\n  power: running\n")), file},
		{"a second document", of("zoe", cohort+"---\na: 1\n"), file},
		{"an entry without login", of("zoe", edited(t, "- login: zoe\n", "- login: zoe\n- name: x\n")), file},
		{"a list that is none", of("zoe", "students: zoe\n"), file},
		{"no YAML", of("zoe", "students: [\n"), file},
		{"the file gone", of("zoe", ""), file},
		{"the template", of("zoe", edited(t, "memory: 2048", "memory: 4096")), file + " template.memory"},
		{"nothing but layout", of("zoe", strings.Replace("# hello\n"+cohort, "{cores: 8}", "{ cores: 8 }", 1)), ""},
		{"nothing but layout, by nobody", of("", "# hello\n"+cohort), file},
		{"the entries in another order", of("zoe", edited(t, "- login: zoe\n", "", "- login: rapamato", "- login: zoe\n- login: rapamato")), ""},

		{"a cell of his row", edit("zoe", "cohorts/a.csv", roster, strings.Replace(roster, "Zoé;", "Zoé;stopped", 1)), ""},
		{"a cell that is not his field", edit("zoe", "cohorts/a.csv", roster, strings.Replace(roster, "Zoé", "Zoë", 1)), "cohorts/a.csv zoe name"},
		{"a cell of another's row", edit("zoe", "cohorts/a.csv", roster, strings.Replace(roster, "Raphael;", "Raphael;stopped", 1)), "cohorts/a.csv rapamato power"},
		{"another first row", edit("zoe", "cohorts/a.csv", roster, strings.Replace(roster, "power", "memory", 1)), "cohorts/a.csv"},
		{"another encoding", edit("zoe", "cohorts/a.csv", roster, strings.Replace(roster, "Zoé;", "Zo\xe9;stopped", 1)), "cohorts/a.csv"},
		{"a row too long", edit("zoe", "cohorts/a.csv", roster, roster+"eve;a;b;c\n"), "cohorts/a.csv"},
		{"another row", edit("zoe", "cohorts/a.csv", roster, roster+"eve;a;\n"), "cohorts/a.csv eve login; cohorts/a.csv eve name; cohorts/a.csv eve power"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := places(owners(t, ownersText).Trespasses(c.edit)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestWhoMayIsTold(t *testing.T) {
	found := owners(t, ownersText).Trespasses(edit("eve", "projects/wiki.yaml", "a: 1\n", "a: 2\n"))
	want := "projects/wiki.yaml: not for eve to change, but for camille, cri/admins, cri/teachers"
	if len(found) != 1 || found[0].For("eve") != want {
		t.Errorf("%+v", found)
	}
	only := strings.Replace(ownersText, `"**"`, "campus.yaml", 1)
	found = owners(t, only).Trespasses(edit("eve", "README.md", "a\n", "b\n"))
	if len(found) != 1 || found[0].For("eve") != "README.md: not for eve to change, but for nobody" {
		t.Errorf("%+v", found)
	}
}

// A group that cannot be asked is one that nobody is in, and that is said.
func TestAForgeThatIsDownLetsNobodyIn(t *testing.T) {
	o := owners(t, strings.Replace(ownersText, "group:cri/teachers", "group:down", 1))
	found := o.Trespasses(edit("lena", "projects/wiki.yaml", "a: 1\n", "a: 2\n"))
	if len(found) != 1 || !strings.Contains(found[0].For("lena"), "nobody can tell who belongs to down: no answer") {
		t.Errorf("%+v", found)
	}
	if found := o.Trespasses(edit("camille", "projects/wiki.yaml", "a: 1\n", "a: 2\n")); found != nil {
		t.Errorf("%+v", found)
	}
}

func TestAGroupIsAskedOnce(t *testing.T) {
	e := edit("eve", "projects/a.yaml", "a: 1\n", "a: 2\n")
	e.Changed = []string{"projects/a.yaml", "projects/b.yaml", "cohorts/c.yaml"}
	asked := map[string]int{}
	e.Member = func(group string) (bool, error) { asked[group]++; return false, nil }
	owners(t, ownersText).Trespasses(e)
	if len(asked) != 2 || asked["cri/admins"] != 1 || asked["cri/teachers"] != 1 {
		t.Errorf("asked %v", asked)
	}
}

func TestNoOwnersNoQuestions(t *testing.T) {
	rules, problems := Read(projects.Tree{})
	if problems != nil || rules.Owners.Trespasses(edit("", "campus.yaml", "a", "b")) != nil {
		t.Error("there is no file, and yet somebody objects")
	}
}

func TestOwnersThatCannotBeRead(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"kind: Owners", "kind: Owner", `2:7: kind must be Owners`},
		{"unowned: deny\n", "", `1:1: the file does not say`},
		{"unowned: deny", "unowned: perhaps", `3:10: unowned cannot be "perhaps"`},
		{`who: [camille`, `how: [camille`, `6:3: unknown key "how" in a rule`},
		{"camille", "'group:'", `6:9: "group:" is neither a login nor a group`},
		{"camille", "camille roux", `6:9: "camille roux" is neither a login nor a group`},
		{"entry: own", "entry: any", `11:10: entry cannot be "any"`},
		{"power: any", "power: some", `12:19: power cannot be "some"`},
		{"power: any", "power: any, power: any", `12:24: key "power" comes twice`},
		{`"**"`, `"/**"`, `5:10: cannot read the path "/**"`},
		{`"**"`, `"../x"`, `5:10: cannot read the path "../x"`},
		{`"**"`, `"a**"`, `5:10: cannot read the path "a**"`},
		{`"**"`, `"[ab]"`, `5:10: cannot read the path "[ab]"`},
		{`"**"`, `"**/**/**/**"`, `holds more than 3 **`},
		{`"**"`, `[]`, `5:3: the rule does not say about which paths`},
		{"  who: group:cri/teachers\n", "", `does not say whom it lets`},
		{"kind: Owners", "kind: &x Owners", `anchors and aliases are not allowed`},
		{ownersText, "", `the file is empty`},
		{ownersText, "a: [\n", `cannot read as YAML`},
	} {
		_, problems := Read(tree(ownersFile, strings.Replace(ownersText, c.old, c.new, 1)))
		if len(problems) != 1 || !strings.Contains(problems[0].String(), c.want) {
			t.Errorf("%q for %q: %v, want %s", c.new, c.old, problems, c.want)
		}
	}
	if _, problems := Read(projects.Tree{ownersFile: {Refused: "is a symbolic link"}}); len(problems) != 1 {
		t.Errorf("a symbolic link: %v", problems)
	}
	if _, problems := Read(tree("policies/owners.yml", ownersText)); len(problems) != 1 {
		t.Errorf("a misspelt name: %v", problems)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, path, login string
		want                 bool
	}{
		{"**", "a", "", true},
		{"**", "a/b/c", "", true},
		{"a/**", "a/b/c", "", true},
		{"a/**", "ab/c", "", false},
		{"a/**/z", "a/z", "", true},
		{"a/**/z", "a/b/c/z", "", true},
		{"*", "a/b", "", false},
		{"*.yaml", "a.yaml", "", true},
		{"a?c", "abc", "", true},
		{"{login}/*", "ada/x", "ada", true},
		{"{login}/*", "ada/x", "", false},
		{"{login}/*", "anything/x", "*", false},
		{"{login}/*", "a/b", "a/b", false},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.covers(c.path, c.login); got != c.want {
			t.Errorf("%s on %s for %q: %v", c.pattern, c.path, c.login, got)
		}
	}
}

// Whatever a student writes: where nothing but parts of his own entry may be
// changed and no trespass is found, the declaration of everybody else reads as before.
func TestNobodyElsesEntryChanges(t *testing.T) {
	o := owners(t, ownersText)
	rapid.Check(t, func(t *rapid.T) {
		lines := strings.SplitAfter(cohort, "\n")
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			at := rapid.IntRange(0, len(lines)-1).Draw(t, "at")
			text := rapid.SampledFrom([]string{
				"", "- login: zoe\n", "  power: stopped\n", "  memory: 9000\n", "- login: rapamato\n", "students:\n", "  cores: 2\n",
				"  flavour: calcul\n", "# x\n", "---\n", "  login: rapamato\n", "- {login: zoe, power: running}\n", "template: {}\n",
			}).Draw(t, "text")
			if rapid.Bool().Draw(t, "instead") {
				lines[at] = text
			} else {
				lines[at] += text
			}
		}
		after := strings.Join(lines, "")
		if len(o.Trespasses(edit("zoe", "cohorts/zz2.yaml", cohort, after))) > 0 {
			return
		}
		was, _ := parse([]byte(cohort))
		is, ok := parse([]byte(after))
		if !ok {
			t.Fatalf("let through though nobody can read it:\n%s", after)
		}
		for _, key := range []string{"template", "flavours", "kind"} {
			if !equal(child(was, key), child(is, key)) {
				t.Fatalf("%s changed:\n%s", key, after)
			}
		}
		old, _ := byName(child(was, "students"), "login")
		now, _ := byName(child(is, "students"), "login")
		if !equal(old.nodes["rapamato"], now.nodes["rapamato"]) || len(now.names) != 2 {
			t.Fatalf("others changed:\n%s", after)
		}
		if m := child(now.nodes["zoe"], "memory"); m != nil {
			t.Fatalf("memory let through:\n%s", after)
		}
	})
}

func FuzzOwners(f *testing.F) {
	f.Add(ownersText)
	f.Add("rules:\n- paths: '**'\n  who: anyone\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		rules, problems := Read(tree(ownersFile, text))
		if (rules.Owners == nil) == (len(problems) == 0) {
			t.Fatalf("owners %v, problems %v", rules.Owners, problems)
		}
		if rules.Owners != nil && len(rules.Owners.Trespasses(edit("", "campus.yaml", "a: 1\n", "a: 2\n"))) == 0 {
			t.Fatal("somebody whom nobody knows was let in")
		}
	})
}

func FuzzDifference(f *testing.F) {
	f.Add("a.yaml", cohort, strings.Replace(cohort, "zoe", "eve", 1))
	f.Add("a.csv", "login;name\na;b\n", "login;name\na;c\n")
	f.Add("a.yaml", "students: [{login: a}]", "students: [{login: a}, {login: A}]")
	f.Fuzz(func(t *testing.T, name, before, after string) {
		a, b := projects.File{Data: []byte(before)}, projects.File{Data: []byte(after)}
		parts, ok := difference(name, a, b)
		back, too := difference(name, b, a)
		if ok != too || ok && (len(parts) == 0) != (len(back) == 0) {
			t.Fatalf("there %v %v, back %v %v", parts, ok, back, too)
		}
		if same, ok := difference(name, a, a); ok && len(same) > 0 {
			t.Fatalf("a file differs from itself: %v", same)
		}
	})
}
