package faults

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// ages are what the commits of a storm declare. Some leave and come back, one to a
// machine that was kept, one to a new one; the memory of two projects changes to and
// fro, for which there is a window. Going on from any of them to any later one never
// deletes much.
var ages = func() (all []semester) {
	for n := range 8 {
		s := semester{students: 6 + n/2, campus: inTheMorning}
		if n%2 == 1 {
			s.wiki, s.noAlias = 3072, true
		}
		if n%4 >= 2 {
			s.tp, s.gone = 1536, append(s.gone, "s02")
		}
		if n >= 2 && n <= 4 {
			s.gone = append(s.gone, "s06")
		}
		all = append(all, s)
	}
	return all
}()

// inTheMorning has updates of machines wait until some minutes of a storm are over,
// and memory that was changed by hand stay as it is.
const inTheMorning = `timezone: UTC
windows:
  morning: {hours: "00:04-23:59", actions: [update, reboot], kinds: [guest]}
drift:
  guest: {memory: report}
`

const untilMorning = 4 * time.Minute

// sky is a campus in a storm.
type sky struct {
	*Trial
	storm   *Storm
	commits []string
	at      int // the age that main is at
	opens   time.Time
	memory  map[int]string // of the projects' machines before the window opens, by VMID
	first   *Process
	second  *Process // a second daemon by mistake, with a state directory of its own
}

// weatherThrough plays a script and then waits for calm. The invariants hold after
// every step.
func weatherThrough(t *testing.T, repo string, commits []string, script []step, seed uint64) error {
	c, err := Open(t.TempDir(), repo)
	if err != nil {
		return err
	}
	defer c.Close()
	s := &sky{
		Trial:   &Trial{Campus: c, Dir: t.TempDir(), Policy: rules, Alone: seed%4 == 0, Log: journal(), count: &counter{}},
		storm:   &Storm{Seed: seed, Share: 0.1},
		commits: commits, opens: time.Now().Add(untilMorning), memory: map[int]string{},
	}
	if err := s.commit(0); err != nil {
		return err
	}
	if s.first, err = s.start("", s.storm); err != nil {
		return err
	}
	defer func() { s.first.Stop() }()
	if s.second, err = s.start("", s.storm); err != nil {
		return err
	}
	defer func() { s.second.Stop() }()
	for i, step := range script {
		s.Reference.Foreign = c.Foreign()
		if err := s.play(step); err != nil {
			return fmt.Errorf("step %d (%s): %w", i, step, err)
		}
	}
	return s.calm()
}

func (s *sky) play(step step) (err error) {
	switch step.what {
	case "pass":
		_, _ = s.first.Pass() // goes wrong as often as not
	case "both":
		s.Rivals = s.Rivals || s.Alone
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = s.second.Pass()
		}()
		_, _ = s.first.Pass()
		<-done
	case "commit":
		err = s.commit(s.at + step.n%3)
	case "meddle":
		if err = s.Campus.Meddle(step.n); err == nil {
			s.Reference.Foreign = s.Campus.Foreign() // some of it is foreign, now
		}
	case "restart":
		s.first, err = s.restart(s.first, s.storm)
	case "kill":
		s.storm.KillIn(1 + step.n%200)
		_, _ = s.first.Pass()
		s.storm.KillIn(0)
	case "lose":
		s.first.Cut()
		s.first.Stop()
		s.first, err = s.start("", s.storm)
	}
	if err != nil {
		return err
	}
	for _, p := range []**Process{&s.first, &s.second} {
		if (*p).Dead() {
			if *p, err = s.restart(*p, s.storm); err != nil {
				return err
			}
		}
	}
	return errors.Join(s.invariants(), s.waits())
}

// commit moves main.
func (s *sky) commit(age int) error {
	s.at = min(age, len(s.commits)-1)
	if s.Commit != s.commits[s.at] {
		s.Commit, s.Rivals = s.commits[s.at], false
	}
	return s.Campus.Push(s.Commit)
}

// waits looks that no machine of a project was changed before the window opened.
func (s *sky) waits() error {
	if !time.Now().Before(s.opens) {
		return nil
	}
	for _, name := range ages[0].names()[:3] {
		g, ok := s.Campus.named(name)
		if !ok || !whole(g) {
			continue
		}
		if was, known := s.memory[g.VMID]; known && was != g.Config["memory"] {
			return fmt.Errorf("%s was given %s MiB in the place of %s before the window opened", name, g.Config["memory"], was)
		}
		s.memory[g.VMID] = g.Config["memory"]
	}
	return nil
}

// calmPasses is how many passes a campus may need once nothing goes wrong any more.
const calmPasses = 4

// calm ends the storm, and the second daemon, and waits until all is well.
func (s *sky) calm() (err error) {
	s.storm.Calm()
	s.second.Stop()
	time.Sleep(time.Until(s.opens))
	s.Reference.Foreign = s.Campus.Foreign()
	last := errors.New("no pass")
	for range calmPasses {
		pass, err := s.first.Pass()
		if broken := s.invariants(); broken != nil {
			return broken
		}
		if err != nil || !pass.Converged() {
			last = fmt.Errorf("not converged: %v%s", err, excerpt(pass))
			continue
		}
		s.Reference.Ours = s.Campus.Ours()
		if last = s.quiet(s.first, pass); last == nil {
			return errors.Join(s.complete(), s.untouched())
		}
	}
	return last
}

// complete looks that every declared machine is there, that of the others only those
// are that had been declared and are kept, and that nothing is half-made.
func (s *sky) complete() error {
	want := ages[s.at].names()
	for _, line := range s.Campus.Ours() {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "guest":
			key, _, _ := strings.Cut(rest, " ")
			name := key[strings.LastIndexByte(key, '/')+1:]
			i := slices.Index(want, name)
			if retired := !strings.Contains(line, " retired= "); retired == (i >= 0) || retired && !slices.Contains(ages[0].names(), name) {
				return errors.New("is not as declared: " + line)
			}
			if i >= 0 {
				want = slices.Delete(want, i, i+1)
			}
		case "stray", "half", "template":
			return errors.New("is left: " + line)
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("are missing: %s", strings.Join(want, ", "))
	}
	return nil
}

// untouched looks that what is to be reported only was not overwritten: whoever has
// lost his notes still leaves it alone.
func (s *sky) untouched() error {
	for vmid, memory := range s.Campus.edited {
		if g, ok := s.Campus.PVE.Guest(vmid); ok && g.Config["memory"] != memory {
			return fmt.Errorf("the memory of %s, changed by hand, was made %s MiB", g.Name, g.Config["memory"])
		}
	}
	return nil
}
