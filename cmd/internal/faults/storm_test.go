package faults

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestMain makes storms few where nobody asks for many: one takes half a second.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked && !all {
		_ = flag.Set("rapid.checks", "25") // the flag is there, and 25 a number
	}
	os.Exit(m.Run())
}

// step is one thing that happens in a storm.
type step struct {
	what string
	n    int
}

func (s step) String() string { return fmt.Sprintf("%s %d", s.what, s.n) }

// steps are what a storm is drawn from, each as often as it is here.
var steps = []string{"pass", "pass", "pass", "both", "commit", "commit", "meddle", "meddle", "meddle", "restart", "kill", "kill"}

func drawStep(t *rapid.T) step {
	return step{rapid.SampledFrom(steps).Draw(t, "what"), rapid.IntRange(0, 799).Draw(t, "n")}
}

// TestStorms lets commits, people at work on the live side, faults at a tenth of all
// calls, restarts, kills and a second daemon come together in any order.
func TestStorms(t *testing.T) {
	repo, versions := versionsOf(t)
	storms := 0
	rapid.Check(t, func(rt *rapid.T) {
		storms++
		script := rapid.SliceOfN(rapid.Custom(drawStep), 1, 12).Draw(rt, "steps")
		seed := rapid.Uint64().Draw(rt, "seed")
		var err error
		synctest.Test(t, func(t *testing.T) { err = weatherThrough(t, repo, versions, script, seed) })
		if err != nil {
			rt.Fatal(err)
		}
	})
	t.Logf("storms: %d, broken=0", storms)
}

// versionsOf are a repository and its commits: each has one student or some memory
// more than those before, so that going on to another never deletes much.
func versionsOf(t *testing.T) (repo string, commits []string) {
	work := t.TempDir()
	run(t, work, "init", "--quiet", "--initial-branch=main")
	for n := range 8 {
		files := declarations(3 + n/2)
		if n%2 == 1 {
			files["projects/wiki.yaml"] = strings.NewReplacer("memory: 2048", "memory: 4096", ", cname: [docs]", "").Replace(files["projects/wiki.yaml"])
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			path := filepath.Join(work, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		run(t, work, "add", "--all")
		run(t, work, "commit", "--quiet", "--message", fmt.Sprint("version ", n))
		commits = append(commits, strings.TrimSpace(run(t, work, "rev-parse", "HEAD")))
	}
	repo = filepath.Join(t.TempDir(), "campus.git")
	run(t, work, "clone", "--quiet", "--bare", "--template=", work, repo)
	return repo, commits
}

// sky is a campus in a storm.
type sky struct {
	*Trial
	storm   *Storm
	repo    string
	commits []string
	at      int // the version that main is at
	first   *Process
	second  *Process // a second daemon by mistake, with a state directory of its own
}

// weatherThrough plays a script and then waits for calm. The invariants hold after
// every step.
func weatherThrough(t *testing.T, repo string, commits []string, script []step, seed uint64) error {
	s := &sky{storm: &Storm{Seed: seed, Share: 0.1}, repo: filepath.Join(t.TempDir(), "campus.git"), commits: commits}
	if err := os.CopyFS(s.repo, os.DirFS(repo)); err != nil {
		return err
	}
	c, err := Open(t.TempDir(), s.repo)
	if err != nil {
		return err
	}
	defer c.Close()
	s.Trial = &Trial{Campus: c, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), count: &counter{}}
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
		s.Rivals = true
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
	return s.invariants()
}

// commit moves main.
func (s *sky) commit(version int) error {
	s.at = min(version, len(s.commits)-1)
	if s.Commit != s.commits[s.at] {
		s.Commit, s.Rivals = s.commits[s.at], false
	}
	return os.WriteFile(filepath.Join(s.repo, "refs", "heads", "main"), []byte(s.Commit+"\n"), 0o644)
}

// calmPasses is how many passes a campus may need once nothing goes wrong any more.
const calmPasses = 4

// calm ends the storm, and waits until all is well.
func (s *sky) calm() (err error) {
	s.storm.Calm()
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
			return s.complete()
		}
	}
	return last
}

// complete looks that every declared machine is there, and nothing half-made.
func (s *sky) complete() error {
	machines := 0
	for _, line := range s.Campus.Ours() {
		switch kind, _, _ := strings.Cut(line, " "); kind {
		case "guest":
			machines++
		case "stray", "half", "template":
			return errors.New("is left: " + line)
		}
	}
	if want := 3 + s.at/2 + 3; machines != want {
		return fmt.Errorf("there are %d machines, want %d", machines, want)
	}
	return nil
}
