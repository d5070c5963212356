package projects

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// campusFile is where a campus describes itself.
const campusFile = "campus.yaml"

// bytesPerClaim is about what a student with a name takes in YAML, and a
// student's machine claims two names. It is a guess that saves growing.
const bytesPerClaim = 32

// maxFile is the largest declaration file that is read.
const maxFile = 1 << 20

// Campus is everything that a tree declares, read and checked. It does not
// change any more and may be used concurrently.
type Campus struct {
	settings *settings  // nil where campus.yaml is broken
	broken   string     // why campus.yaml cannot be believed, or ""
	units    []*unit    // sorted by path
	machines []*machine // of the readable files, sorted by key
	rosters  map[string]*roster
	keys     map[string]keySet
	files    []*file // all that were read
	claims   *register
	now      time.Time // when it was loaded; zero where no cohort is ever over
	problems []Problem // that show in one file
	declared []Problem // and those that show without a live state
}

// roster is a CSV file, read once however many cohorts name it.
type roster struct {
	*file
	students []value
	used     bool
}

// Load reads a tree. It never fails: what is wrong is in Problems, and what can
// be understood beside it is there. No cohort is over for it: see [LoadAt].
func Load(tree Tree) *Campus { return LoadAt(tree, time.Time{}) }

// LoadAt is Load at a moment: the machines of a cohort whose end has passed are
// read and checked, and then count as gone.
func LoadAt(tree Tree, now time.Time) *Campus { return load(tree, now, nil) }

// load is LoadAt. What is remembered of units need not be read again.
func load(tree Tree, now time.Time, remembered map[string]*unit) *Campus {
	c := &Campus{now: now, rosters: map[string]*roster{}, keys: map[string]keySet{}, claims: newRegister(tree.size() / bytesPerClaim)}
	paths := slices.Sorted(maps.Keys(tree))
	c.loadSettings(tree)
	for _, p := range paths {
		if name := keySetName(p); name != "" {
			c.loadKeys(name, p, tree[p])
		}
	}
	for _, p := range paths {
		if isRoster(p) {
			c.loadRoster(p, tree[p])
		}
	}
	for _, p := range paths {
		if u := remembered[p]; u != nil && u.over == u.term.over(now) {
			c.reuse(u)
		} else {
			c.loadUnit(p, tree[p])
		}
	}
	for _, u := range c.units {
		u.own, u.models, u.room, u.values = len(u.problems), nil, nil, room{}
	}
	c.collect()
	return c
}

// open starts the reading of a file; false where there is nothing to read.
func (c *Campus) open(p string, content File) (*file, bool) {
	f := &file{path: p}
	c.files = append(c.files, f)
	switch {
	case content.Refused != "":
		f.whole().refuse("commit a plain file of at most 1 MiB", "the file %s", content.Refused)
	case len(content.Data) > maxFile:
		f.whole().refuse("split it", "the file is larger than 1 MiB")
	default:
		return f, true
	}
	return f, false
}

func (c *Campus) loadSettings(tree Tree) {
	content, there := tree[campusFile]
	f, ok := c.open(campusFile, content)
	switch {
	case !there:
		f.whole().refuse("add campus.yaml with the campus's clusters, networks and zones", "the file is missing")
	case ok:
		v, good := f.readYAML(content.Data, campusShape)
		if good {
			c.settings = f.readSettings(v)
		}
	}
	if c.broken = f.broken(); c.broken != "" {
		c.settings = nil
	}
}

func (c *Campus) loadKeys(name, p string, content File) {
	f, ok := c.open(p, content)
	if !ok {
		c.keys[name] = keySet{broken: f.broken()}
		return
	}
	c.keys[name] = f.readKeys(content.Data)
}

func (c *Campus) loadRoster(p string, content File) {
	f, ok := c.open(p, content)
	r := &roster{file: f}
	if ok {
		r.students, _ = f.readRoster(content.Data, cohortShape.find("students").shape.elem)
	}
	c.rosters[p] = r
}

func isRoster(p string) bool {
	return path.Dir(p) == "cohorts" && strings.EqualFold(path.Ext(p), ".csv")
}

// loadUnit reads a project or cohort file; other files are none of our business,
// unless somebody surely meant them to be read.
func (c *Campus) loadUnit(p string, content File) {
	dir, ext := path.Dir(p), path.Ext(p)
	if ext != ".yaml" && ext != ".yml" {
		return
	}
	kind, known := map[string]string{"projects": "project", "cohorts": "cohort"}[dir]
	if !known {
		if top, _, _ := strings.Cut(p, "/"); top == "projects" || top == "cohorts" {
			f := &file{path: p}
			c.files = append(c.files, f)
			f.whole().refuse("move it to "+top+"/"+path.Base(p), "only files directly in %s/ are read", top)
		}
		return
	}
	f, ok := c.open(p, content)
	f.owner = inventory.Owner{File: p, Unit: kind + "/" + baseName(p)}
	u := &unit{file: f, settings: c.settings, keys: c.keys, title: baseName(p), models: map[string]*draft{}, claims: c.claims}
	c.units = append(c.units, u)
	if !unitLike.match(baseName(p)) {
		f.whole().refuse("rename the file: "+unitLike.rule, "the file's name is the %s's, and %q is not %s", kind, baseName(p), unitLike.what)
	}
	if !ok {
		return
	}
	if kind == "project" {
		c.readProject(u, content.Data)
	} else {
		c.readCohort(u, content.Data)
	}
}

func (c *Campus) readProject(u *unit, data []byte) {
	v, _ := u.readYAML(data, projectShape)
	u.readWorkspace(v, "projects")
	u.retain = readRetain(v, c.retain())
	c.readDrift(u, v)
	if c.settings != nil && v.get("cluster").set() && v.sound("defaults") {
		u.readProject(v)
	}
}

func (c *Campus) readCohort(u *unit, data []byte) {
	v, _ := u.readYAML(data, cohortShape)
	u.readWorkspace(v, "cohorts")
	u.retain = readRetain(v, c.retain())
	c.readDrift(u, v)
	c.readTerm(u, v)
	students, ok := c.rosterOf(u, v.get("roster"))
	if ok && c.settings != nil && v.get("cluster").set() && v.get("template").set() && v.sound("flavours") {
		u.readCohort(v, students)
	}
	if u.over {
		u.machines = nil
	}
}

// readTerm reads a cohort's dates. What one that is over declares is claimed by
// nobody any more.
func (c *Campus) readTerm(u *unit, v value) {
	if c.settings == nil {
		return
	}
	u.readTerm(v, c.settings.calendar.zone, c.settings.zoned)
	if u.over = u.term.over(c.now); u.over {
		u.claims = newRegister(0)
	}
}

// rosterOf finds the students of the CSV file that a cohort names.
func (c *Campus) rosterOf(u *unit, name value) ([]value, bool) {
	if !name.set() {
		return nil, true
	}
	r := c.rosters["cohorts/"+name.text]
	if r == nil {
		name.refuse(suggest(name.text, c.rosterNames()), "there is no file cohorts/%s", name.text)
		return nil, false
	}
	r.use(u)
	if reason := r.broken(); reason != "" {
		name.refuse("mend the roster", "the roster is broken: %s", reason)
		return nil, false
	}
	return r.students, true
}

// use notes that a cohort names the roster.
func (r *roster) use(u *unit) {
	r.used, r.owner, u.roster = true, u.owner, r.path
}

func (c *Campus) rosterNames() []string {
	var names []string
	for p := range c.rosters {
		names = append(names, path.Base(p))
	}
	return names
}

// collect gathers the problems of all files. A twin of a unit, "a.yml" beside
// "a.yaml", would make one name mean two things.
func (c *Campus) collect() {
	named := map[string]*unit{}
	for _, u := range c.units {
		if twin := named[u.owner.Unit]; twin != nil {
			u.whole().refuse("keep one of the two", "%s is also declared by %s", u.owner.Unit, twin.path)
			twin.whole().refuse("keep one of the two", "%s is also declared by %s", u.owner.Unit, u.path)
		}
		named[u.owner.Unit] = u
	}
	for p, r := range c.rosters {
		if !r.used {
			r.problems = append(r.problems, Problem{File: p, Message: "no cohort names this roster",
				Hint: fmt.Sprintf("write roster: %s into a cohort", path.Base(p)), Warning: true})
		}
	}
	c.warnOfStrangers()
	for _, f := range c.files {
		for _, p := range f.problems {
			if c.settings != nil && !p.Owner.IsZero() {
				p.Owner.Campus = c.settings.name
			}
			c.problems = append(c.problems, p)
		}
	}
	c.problems = sortProblems(c.problems)
	c.machines, c.claims.names = c.sound(), nil
	c.declared = c.problems
	if c.claims.disputed {
		_, disputed := settle(c.machines, indexLive(nil))
		c.declared = sortProblems(slices.Concat(c.problems, disputed))
	}
}
