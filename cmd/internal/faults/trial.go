package faults

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// Reference is what a campus looks like when nothing went wrong.
type Reference struct {
	Points   []Point // of the passes that made everything so
	Ours     []string
	Foreign  string
	Statuses []string
}

// Trial is one apply on a campus in which something goes wrong.
type Trial struct {
	Campus *Campus
	// Past are the commits that have been made true before, and Meddle what people
	// have changed by hand since then; nil for nothing.
	Past      []string
	Meddle    func(*Campus) error
	Commit    string
	Reference Reference
	Dir       string // for state directories
	Policy    reconciler.Policy
	Log       *slog.Logger
	Alone     bool // the processes reckon with no other daemon
	// Restart ends the process after the pass in which something went wrong, even
	// where that did not end it.
	Restart bool

	count  *counter
	starts int
	// Rivals says that two daemons without a lease worked on this commit at once:
	// both may have seen that a status is missing, and each have written it.
	Rivals bool
	// Kept are students whose machines may be kept, stopped, though nothing declares them any more.
	Kept []string
}

// mostPasses is how many passes after the one that went wrong may be needed.
const mostPasses = 3

// Run makes the pass that goes wrong and those that follow, and tells what is not
// as it should be.
func (t *Trial) Run(strikes *Strikes) error {
	retries := strikes.have(TaskFailed)
	p, err := t.begin(strikes)
	if err != nil {
		return err
	}
	defer func() { p.Stop() }()
	_, _ = p.Pass() // that goes wrong: what follows counts
	if err := t.invariants(); err != nil {
		return fmt.Errorf("after the pass that went wrong: %w", err)
	}
	var last error
	for n := 1; n <= mostPasses+strikes.Left(); n++ {
		if p.Dead() || n == 1 && t.Restart {
			if p, err = t.restart(p, strikes); err != nil {
				return err
			}
		}
		pass, err := p.Pass()
		if broken := t.invariants(); broken != nil {
			return fmt.Errorf("after pass %d: %w", n, broken)
		}
		if err != nil || p.Dead() || !pass.Converged() {
			last = fmt.Errorf("not converged after %d passes: %v%s", n, err, excerpt(pass))
			continue
		}
		if last = t.quiet(p, pass); last != nil {
			continue
		}
		if twice := t.Campus.MadeTwice(); len(twice) > 0 && !retries {
			return fmt.Errorf("was made twice, though its task was not lost: %s", strings.Join(twice, ", "))
		}
		return nil
	}
	return last
}

// Record makes the passes in which nothing goes wrong.
func (t *Trial) Record() (Reference, error) {
	p, err := t.begin(NewStrikes())
	if err != nil {
		return Reference{}, err
	}
	defer p.Stop()
	for range mostPasses {
		pass, err := p.Pass()
		switch {
		case err != nil || !pass.Converged():
			return Reference{}, fmt.Errorf("cannot record: not converged: %v%s", err, excerpt(pass))
		case len(pass.Plan.Steps) == 0:
			t.Reference.Ours, t.Reference.Statuses = t.Campus.Ours(), t.Campus.Statuses(t.Commit)
			return t.Reference, t.quiet(p, pass)
		}
		t.Reference.Points = t.count.all() // of an empty pass there is none
	}
	return Reference{}, errors.New("cannot record: there is always something to do")
}

// begin makes a process on a campus that has its past, at the moment at which the
// commit is pushed.
func (t *Trial) begin(script Script) (*Process, error) {
	t.count = &counter{}
	former, err := t.live(t.Past)
	if err != nil {
		return nil, fmt.Errorf("cannot begin: %w", err)
	}
	if t.Meddle != nil {
		if err := t.Meddle(t.Campus); err != nil {
			return nil, err
		}
	}
	if err := t.Campus.Push(t.Commit); err != nil {
		return nil, err
	}
	t.Campus.PVE.ForgetRequests()
	t.count = &counter{}
	t.Reference.Foreign = t.Campus.Foreign()
	return t.start(former, script)
}

// live makes commits true, and gives the state directory that this leaves.
func (t *Trial) live(commits []string) (former string, err error) {
	if len(commits) == 0 {
		return "", nil
	}
	p, err := t.start("", NewStrikes())
	if err != nil {
		return "", err
	}
	defer p.Stop()
	for _, commit := range commits {
		if err := t.Campus.Push(commit); err != nil {
			return "", err
		}
		if pass, err := p.Pass(); err != nil || !pass.Converged() {
			return "", fmt.Errorf("not converged: %v%s", err, excerpt(pass))
		}
	}
	return p.left(), nil
}

// start makes a process whose state directory is as a former one left it.
func (t *Trial) start(former string, script Script) (*Process, error) {
	t.starts++
	state := filepath.Join(t.Dir, fmt.Sprintf("state-%d", t.starts))
	if former != "" {
		if err := inherit(former, state); err != nil {
			return nil, err
		}
	}
	return t.Campus.Start(Daemon{State: state, Script: script, Policy: t.Policy, Log: t.Log, Alone: t.Alone, count: t.count})
}

// restart makes a new process in the place of one that ends.
func (t *Trial) restart(p *Process, script Script) (*Process, error) {
	p.Stop()
	return t.start(p.left(), script)
}

// invariants hold at every moment.
func (t *Trial) invariants() error {
	if twice := t.Campus.Doubles(); len(twice) > 0 {
		return errors.New(strings.Join(twice, "; "))
	}
	if t.Campus.Foreign() != t.Reference.Foreign {
		return errors.New("something foreign was changed")
	}
	return nil
}

// quiet checks a campus that says of itself that it is converged: the next pass
// has nothing to do, the one after that does not even write a status, and
// everything is there, once.
func (t *Trial) quiet(p *Process, converged *reconciler.Pass) error {
	systems := t.Campus.SystemWrites()
	pass, err := p.Pass()
	switch {
	case err != nil:
		return fmt.Errorf("the pass after: %w", err)
	case len(pass.Plan.Steps) > 0 || !pass.Converged():
		return fmt.Errorf("the pass after is not empty%s", excerpt(pass))
	case t.Campus.SystemWrites() != systems:
		return errors.New("the pass after has written to a system")
	}
	writes := t.Campus.SystemWrites() + t.Campus.StatusWrites()
	if _, err := p.Pass(); err != nil {
		return err
	}
	if now := t.Campus.SystemWrites() + t.Campus.StatusWrites(); now != writes {
		return fmt.Errorf("the second pass after has written %d things", now-writes)
	}
	if err := t.invariants(); err != nil {
		return err
	}
	if d := difference(t.withoutKept(t.withoutReported(converged)), t.Reference.Ours); d != "" {
		return errors.New("what stands is not what should: " + d)
	}
	if d := difference(t.Campus.Statuses(t.Commit), t.Reference.Statuses); t.Reference.Statuses != nil && d != "" {
		return errors.New("the statuses are not what they should be: " + d)
	}
	if twice := t.Campus.Repeated(t.Commit); len(twice) > 0 && !t.Rivals {
		return fmt.Errorf("statuses were written twice: %s", strings.Join(twice, "; "))
	}
	if left := p.intents(); len(left) > 0 && len(t.withoutReported(converged)) == len(t.Campus.Ours()) {
		return fmt.Errorf("intents are left: %s", strings.Join(left, ", "))
	}
	return nil
}

// withoutReported is what stands but for half-made containers of which the pass
// tells people: their creation got no further than the lock, so that they carry no
// mark and are nobody's to remove.
func (t *Trial) withoutReported(pass *reconciler.Pass) []string {
	return slices.DeleteFunc(t.Campus.Ours(), func(line string) bool {
		stray, ok := strings.CutPrefix(line, "stray lxc ")
		return ok && slices.ContainsFunc(pass.Problems, func(p projects.Problem) bool {
			return p.Warning && strings.Contains(p.Message, "pct unlock "+stray[:strings.Index(stray, " ")])
		})
	})
}

// withoutKept leaves out what is kept, with all that hangs on it.
func (t *Trial) withoutKept(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool {
		guest, inUse := strings.HasPrefix(line, "guest "), strings.Contains(line, " running retired= ")
		return !(guest && inUse) && slices.ContainsFunc(t.Kept, func(name string) bool { return strings.Contains(line, name) })
	})
}

// difference tells two sorted lists apart; "" where they are equal.
func difference(have, want []string) string {
	var d []string
	for _, line := range have {
		if !slices.Contains(want, line) {
			d = append(d, "+ "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(have, line) {
			d = append(d, "- "+line)
		}
	}
	if len(d) == 0 && len(have) != len(want) {
		d = append(d, fmt.Sprintf("%d lines in the place of %d", len(have), len(want)))
	}
	return strings.Join(d, "\n  ")
}
