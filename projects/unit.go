package projects

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// unit is a project or a cohort: one file, its machines, and what they are read
// against.
type unit struct {
	*file
	settings *settings
	keys     map[string]keySet
	cluster  *cluster
	title    string // as people call it
	space    string // workspace
	retain   int    // days that machines are kept
	ownDrift bool   // whether it says what becomes of drift
	drift    map[string]map[string]string
	term     term // of a cohort
	over     bool // the term has ended: what is declared counts as gone
	machines []machine
	room     []claim           // for the claims of machines that are alike
	roster   string            // path of the file that a cohort names, or ""
	own      int               // how many of the file's problems show in it alone
	models   map[string]*draft // by flavour: the first student's who asked for nothing more
	claims   *register
}

// baseName is a file's name without folders and ending.
func baseName(p string) string { return strings.TrimSuffix(path.Base(p), path.Ext(p)) }

func (u *unit) keyNames() []string { return slices.Sorted(maps.Keys(u.keys)) }

// readCluster looks the file's cluster up; without one nothing else can be read.
func (u *unit) readCluster(v value) bool {
	u.cluster = u.settings.clusters[v.text]
	if u.cluster == nil {
		v.refuse(suggest(v.text, slices.Sorted(maps.Keys(u.settings.clusters))), "there is no cluster %q in campus.yaml", v.text)
	}
	return u.cluster != nil
}

func (u *unit) readWorkspace(v value, byDefault string) {
	u.space = byDefault
	if w := v.get("workspace"); w.set() {
		u.space = w.text
	}
}

// readProject reads the machines of a project.
func (u *unit) readProject(v value) {
	if !u.readCluster(v.get("cluster")) {
		return
	}
	fill := filling{cohort: u.title, cluster: u.cluster.name}
	for _, kind := range []string{"ct", "vm"} {
		for _, m := range v.get(kind).items() {
			u.add(draft{lxc: kind == "ct", fill: fill, layers: []layer{
				{value: m}, {v.get("defaults"), true}, {u.cluster.defaults, true},
			}})
		}
	}
}

// readCohort reads a machine, or a count of them, for each student.
func (u *unit) readCohort(v value, roster []value) {
	if !u.readCluster(v.get("cluster")) {
		return
	}
	if title := v.get("title"); title.set() {
		u.title = title.text
	}
	students := slices.Concat(v.get("students").items(), roster)
	u.machines = make([]machine, 0, len(students))
	seen := make(map[string]place, len(students))
	for _, student := range students {
		login := student.get("login")
		if first, twice := seen[login.text]; twice {
			login.refuse("keep one of the two", "login %s is already at %s", login.text, first.file.whereIs(first))
			continue
		}
		seen[login.text] = login.place
		flavour := student.get("flavour").text
		switch model := u.models[flavour]; {
		case !plain(student):
			u.add(u.studentDraft(v, student))
		case model != nil:
			u.keep(model.like(student))
		default:
			u.addFirst(u.studentDraft(v, student), flavour)
		}
	}
}

// roomFor is where n claims of a machine can stand. Most of a campus is machines
// of few claims, and one piece of memory for many of them costs less than many.
func (u *unit) roomFor(n int) []claim {
	if len(u.room) < n {
		u.room = make([]claim, max(n, 128))
	}
	room := u.room[:0:n]
	u.room = u.room[n:]
	return room
}

func (u *unit) studentDraft(cohort, student value) draft {
	layers := []layer{{value: student}}
	if f := student.get("flavour"); f.set() {
		flavours := cohort.get("flavours")
		if !flavours.get(f.text).set() {
			f.refuse(suggest(f.text, flavours.names()), "there is no flavour %q", f.text)
		}
		layers = append(layers, layer{value: flavours.get(f.text)})
	}
	template := cohort.get("template")
	d := draft{
		lxc: template.get("kind").text != "vm", host: "vm-{login}",
		layers: append(layers, layer{value: template}, layer{u.cluster.defaults, true}),
		fill:   filling{cohort: u.title, cluster: u.cluster.name},
	}
	d.isOf(student)
	return d
}

// isOf makes a draft that of a student.
func (d *draft) isOf(student value) {
	login := student.get("login")
	d.place, d.owner.Student = login.place, login.text
	d.fill.login, d.fill.name = hostLabel(login.text), login.text
	if name := student.get("name"); name.set() {
		d.fill.name = name.text
	}
}

// plain reports whether a student asks for nothing that the neighbours have not.
func plain(student value) bool {
	return !slices.ContainsFunc(student.names(), func(key string) bool {
		return key != "login" && key != "name" && key != firstName && key != "flavour"
	})
}

// addFirst adds the machine of the first student of a flavour who asks for
// nothing of his own. It is read in full; those who follow get what it got, with
// their own names. A cohort costs a fraction of its students so.
func (u *unit) addFirst(d draft, flavour string) {
	problems := len(u.problems)
	u.add(d)
	if len(u.problems) > problems {
		return // the next one must hear of it too
	}
	d.unit, d.machine = u, u.machines[len(u.machines)-1]
	if count, _ := d.get("count"); !count.set() && !d.claimsMore() {
		u.models[flavour] = &d
	}
}

// add reads a draft, or as many as its count says, and keeps the machines.
func (u *unit) add(d draft) {
	d.unit, d.spec = u, &spec{}
	if d.owner.Student == "" {
		d.place = d.layers[0].place
	}
	d.owner.Campus, d.owner.File, d.owner.Unit = u.settings.name, u.path, u.owner.Unit
	count, _ := d.get("count")
	for n := range max(1, count.number()) {
		one := d
		one.spec = &spec{}
		if count.set() {
			one.fill.n = n + 1
		}
		u.keep(one.read())
	}
}

// keep notes a machine and refuses what the same file has declared before.
func (u *unit) keep(m machine) {
	for _, c := range m.claims {
		if first, twice := u.claims.enter(c, u); twice {
			c.place.refuse("give one of them another", "%s is already declared at %s", c.what, first.file.whereIs(first))
		}
	}
	u.machines = append(u.machines, m)
}

// whereIs is a place for people.
func (f *file) whereIs(p place) string {
	return Problem{File: f.path, Line: p.line, Column: p.column}.Place()
}
