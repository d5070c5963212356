package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

// Rush is an apply during which people come: they open, push to and close merge
// requests, and push newer commits. The daemon runs as it does for ever, and answers
// them while it applies.
type Rush struct {
	*Trial // whose commit is the first one
	// Comings come one after another.
	Comings []Coming
	// Last is the commit that the branch is at in the end, and Open the heads of the
	// requests that are open then.
	Last string
	Open []string
	// Others are all other commits.
	Others []string
	// Remade says that machines may rightly be made more than once.
	Remade bool

	points []Point // until all was well
}

// Weather is a script that ends.
type Weather interface {
	Script
	Calm()
}

// Coming is what somebody does on the forge.
type Coming struct {
	After    time.Duration // the one before
	Machines int           // and as soon as so many of ours stand
	Do       func(*Campus) error
	Silent   bool // the forge's hook is lost
}

const (
	// soon is how long a coming waits at most for its machines.
	soon = 2 * time.Minute
	// look is between two looks at the campus.
	look = time.Second / 4
	// enough is how long it may take until all is well after the last one: calls that hang
	// take a minute, and a lease that nobody gives back a minute and a half.
	enough = 10 * time.Minute
)

// Run lets the people come, and tells what is not as it should be in the end.
func (r *Rush) Run(weather Weather) error {
	p, err := r.begin(weather)
	if err != nil {
		return err
	}
	o := &office{Rush: r, script: weather, Process: p}
	o.open()
	defer func() { o.Stop() }()
	defer func() { o.rest() }()
	for i, c := range r.Comings {
		earliest := time.Now().Add(c.After)
		if err := o.until(soon, func() bool { return !time.Now().Before(earliest) && len(r.Campus.machines()) >= c.Machines }); err != nil {
			return err
		}
		if err := c.Do(r.Campus); err != nil {
			return fmt.Errorf("coming %d: %w", i, err)
		}
		if !c.Silent {
			o.call()
		}
	}
	came := time.Now()
	if err := o.until(enough, func() bool {
		pass := o.newest.Load()
		return pass != nil && pass.Commit == r.Last && pass.Started.After(came) && pass.Converged() && len(pass.Plan.Steps) == 0
	}); err != nil {
		return err
	}
	r.points = r.count.all()
	weather.Calm()
	o.rest()
	pass := o.newest.Load()
	if pass.Commit != r.Last || !pass.Converged() {
		return fmt.Errorf("not converged after %s%s", enough, excerpt(pass))
	}
	r.Commit = r.Last
	if err := r.quiet(o.Process, pass); err != nil {
		return err
	}
	if twice := r.Campus.MadeTwice(); len(twice) > 0 && !r.Remade {
		return fmt.Errorf("was made twice, though its task was not lost: %s", strings.Join(twice, ", "))
	}
	return r.answered()
}

// office is a daemon at work, which is started again where it is killed.
type office struct {
	*Rush
	*Process
	script Script
	calls  chan struct{}
	rest   func()
}

func (o *office) open() {
	o.calls = make(chan struct{}, 1)
	o.rest = o.work(o.calls)
}

func (o *office) call() {
	select {
	case o.calls <- struct{}{}:
	default: // somebody has called already
	}
}

// until waits, for a while, and looks after the daemon and the invariants meanwhile.
func (o *office) until(most time.Duration, there func() bool) (err error) {
	for began := time.Now(); (o.Dead() || !there()) && time.Since(began) < most; time.Sleep(look) {
		if err := o.invariants(); err != nil {
			return err
		}
		if !o.Dead() {
			continue
		}
		o.rest()
		if o.Process, err = o.restart(o.Process, o.script); err != nil {
			return err
		}
		o.open()
	}
	return nil
}

// answered looks that every commit has its verdicts and that none is open: the last
// one and the requests that are open have succeeded; of what was superseded, closed
// or pushed over it is enough that nobody waits.
func (r *Rush) answered() error {
	for _, commit := range slices.Concat([]string{r.Last}, r.Open, r.Others) {
		stands := map[string]string{}
		for _, s := range r.Campus.GitLab.Statuses(project, commit) {
			stands[s.Name] = s.State
			if s.State == string(reconciler.StatusPending) || s.State == string(reconciler.StatusRunning) {
				return fmt.Errorf("%.8s waits for ever: %s %s: %s", commit, s.Name, s.State, s.Description)
			}
		}
		want := []string{reconciler.ContextValidate, reconciler.ContextPlan, reconciler.ContextPolicy}
		switch {
		case commit == r.Last:
			want = append(want, reconciler.ContextApply)
		case !slices.Contains(r.Open, commit):
			continue
		}
		for _, name := range want {
			if stands[name] != string(reconciler.StatusSuccess) {
				return fmt.Errorf("%.8s: %s is %q\n  %s", commit, name, stands[name], strings.Join(r.Campus.Statuses(commit), "\n  "))
			}
		}
	}
	return nil
}
