package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
)

// slow is a memory whose changes take a minute each, so many at once; some take ten.
type slow struct {
	memory
	width int
	begun []string // in order
	long  []string // names
	reads time.Duration
}

func (s *slow) List(ctx context.Context) (inventory.Listing, error) {
	s.mu.Lock()
	reads := s.reads
	s.mu.Unlock()
	time.Sleep(reads)
	return s.memory.List(ctx)
}

func (s *slow) Apply(ctx context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	s.mu.Lock()
	s.begun = append(s.begun, string(changes[0].Key))
	takes := time.Minute
	if slices.Contains(s.long, changes[0].Key.Name()) {
		takes *= 10
	}
	s.mu.Unlock()
	select {
	case <-time.After(takes):
		return s.memory.Apply(ctx, changes, tell)
	case <-ctx.Done():
		return nil
	}
}

func (s *slow) Claims(inventory.Change) []inventory.Claim {
	return []inventory.Claim{{Name: "worker", Limit: s.width}}
}

// forge is a source that people push to while it is read.
type forge struct {
	mu        sync.Mutex
	commit    string
	trees     map[string]projects.Tree
	proposals []Proposal
	refused   []Refusal
	given     []Approval
	down      bool
	hangs     int      // at which reading of the branch from now; 0 for none
	statuses  []string // "commit context state" and what it says
}

func (f *forge) Latest(ctx context.Context) (Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hangs--; f.hangs == 0 {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return Snapshot{}, ctx.Err()
	}
	if f.down {
		return Snapshot{}, errors.New("no route to host")
	}
	return Snapshot{Commit: f.commit, Branch: "main", Author: "Camille", Tree: f.trees[f.commit], Refused: f.refused}, nil
}

func (f *forge) Proposals(context.Context, Snapshot) ([]Proposal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.proposals), nil
}

func (f *forge) SetStatus(_ context.Context, commit string, s Status) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses = append(f.statuses, fmt.Sprintf("%s %s %s: %s", commit[:4], strings.TrimPrefix(s.Context, "provost/"), s.State, s.Description))
	return nil
}

func (f *forge) Approvals(context.Context, Proposal) ([]Approval, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.given), nil
}

// on are the statuses of a commit, in order.
func (f *forge) on(commit string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.statuses), func(s string) bool { return !strings.HasPrefix(s, commit) })
}

func (f *forge) push(commit string, files map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commit, f.trees[commit] = commit, tree(files)
}

// town is a daemon that takes a minute for each change, with somebody at its forge.
type town struct {
	*Reconciler
	forge  *forge
	cri    *slow
	passes []*Pass // as they ended
	calls  chan struct{}
	mu     sync.Mutex
}

const (
	first  = "1111000011110000"
	second = "2222000022220000"
	third  = "3333000033330000"
)

// visit lets a daemon begin to apply the first commit, and somebody come after ten
// seconds; it ends when until says so, which is asked every second.
func visit(t *testing.T, files map[string]string, come func(*town)) *town {
	t.Helper()
	h := newHouse(files)
	w := &town{Reconciler: h.Reconciler, calls: make(chan struct{}, 1),
		forge: &forge{commit: first, trees: map[string]projects.Tree{first: tree(files)}},
		cri:   &slow{memory: memory{things: map[inventory.Key]inventory.Resource{}}, width: 2},
	}
	w.Source, w.PublicURL, w.Answered = w.forge, "", "before"
	w.Approvals, w.Approvers = NewApprovals(t.TempDir(), time.Now), []string{"olivier"}
	w.Systems["cri"] = Managed{System: w.cri, Apply: ApplyAuto, Prune: true}
	w.History = func(p *Pass) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if p.Stage == StageDone {
			w.passes = append(w.passes, p)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { w.Run(ctx, time.Hour, w.calls); close(ended) }()
	time.Sleep(10 * time.Second)
	come(w)
	stop()
	<-ended
	return w
}

func (w *town) call() { w.calls <- struct{}{} }

// ended are the passes that have.
func (w *town) ended() []*Pass {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.passes)
}

func (w *town) begun() int {
	w.cri.mu.Lock()
	defer w.cri.mu.Unlock()
	return len(w.cri.begun)
}

// count is how much there is.
func (w *town) count() int {
	w.cri.mu.Lock()
	defer w.cri.mu.Unlock()
	return len(w.cri.things)
}

func names(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("m%02d", i))
	}
	return list
}

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestARequestIsAnsweredWhileAPassApplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"projects/a.yaml": project(names(6)...)}
		w := visit(t, files, func(w *town) {
			time.Sleep(time.Minute) // two machines stand, two are being made
			w.forge.mu.Lock()
			changed := map[string]string{"projects/a.yaml": project(names(6)...), "projects/b.yaml": strings.ReplaceAll(project("web"), "10.0.0.10", "10.0.0.99")}
			w.forge.proposals = []Proposal{{ID: "!7", Commit: second, Tree: tree(changed), Changed: []string{"projects/b.yaml"}}}
			w.forge.mu.Unlock()
			w.call()
			synctest.Wait()
			want(t, "the request", w.forge.on("2222"), []string{
				"2222 validate pending: seen; the answer follows", "2222 plan pending: seen; the answer follows", "2222 policy pending: seen; the answer follows",
				"2222 validate success: 3 files, 7 machines", "2222 plan success: create 1 guest, 1 power, 1 record", "2222 policy success: no rule objects",
			})
			if n := len(w.ended()); n != 0 {
				t.Errorf("%d passes have ended: the answer came too late", n)
			}
			time.Sleep(time.Hour)
			if passes := w.ended(); len(passes) < 2 || !passes[0].Converged() || passes[0].Superseded != "" || len(passes[0].Proposals) != 1 {
				t.Errorf("the pass did not end as if nobody had come, with another after it: %d passes, %+v", len(passes), passes[0])
			}
		})
		for _, key := range w.cri.begun {
			if strings.Contains(key, "web") {
				t.Errorf("%s was begun, and only a request wants it", key)
			}
		}
	})
}

// What mends a wrong commit takes effect within a task's length.
func TestANewerCommitTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		right := project(names(20)...)
		wrong := map[string]string{"projects/a.yaml": strings.ReplaceAll(right, "memory: 512", "memory: 512000")}
		visit(t, wrong, func(w *town) {
			time.Sleep(time.Minute)
			w.forge.push(second, map[string]string{"projects/a.yaml": right})
			w.call()
			synctest.Wait()
			want(t, "the newer commit", w.forge.on("2222"), []string{
				"2222 validate pending: seen; the answer follows", "2222 plan pending: seen; the answer follows", "2222 policy pending: seen; the answer follows",
				"2222 validate success: 2 files, 20 machines", "2222 plan success: while 111100001111 is applied: create 18 guests, 18 power; update 2 guests, 2 power",
				"2222 policy success: no rule objects",
			})
			before := w.begun()
			time.Sleep(time.Minute)
			passes := w.ended()
			if len(passes) != 1 || !passes[0].Stopped || passes[0].Superseded != second || passes[0].Converged() || passes[0].Failed() > 0 {
				t.Fatalf("the pass did not wind down: %d, %+v", len(passes), passes)
			}
			if n := w.begun(); n < before || n > before+4 {
				t.Errorf("%d changes had begun, and now %d", before, n)
			}
			for _, r := range passes[0].Results {
				if r.Blocked != "" && r.Blocked != msgNotBegun && !strings.HasPrefix(r.Blocked, "waits for") {
					t.Errorf("%s: %s", r.Key, r.Blocked)
				}
			}
			time.Sleep(time.Hour)
			statuses := w.forge.on("1111")
			if last := statuses[len(statuses)-1]; last != fmt.Sprintf("1111 apply canceled: superseded by 222200002222 after %d of %d changes", passes[0].Changed(), len(passes[0].Results)) {
				t.Errorf("the first commit ends with %q", last)
			}
			statuses = w.forge.on("2222")
			if slices.Contains(statuses[6:], "2222 plan pending: seen; the answer follows") || !strings.HasPrefix(statuses[len(statuses)-1], "2222 apply ") {
				t.Errorf("the second commit: %q", statuses)
			}
		})
	})
}

// Of a wrong commit that is mended while it is still read, nothing begins.
func TestACommitThatIsMendedWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		right := map[string]string{"projects/a.yaml": project(names(2)...)}
		visit(t, right, func(w *town) {
			time.Sleep(10 * time.Minute)
			before := w.begun()
			w.cri.mu.Lock()
			w.cri.reads = 20 * time.Second
			w.cri.mu.Unlock()
			w.forge.push(second, map[string]string{"projects/a.yaml": project(names(9)...)})
			w.call()
			time.Sleep(10 * time.Second)
			w.forge.push(third, right) // of which no hook tells
			time.Sleep(10 * time.Minute)
			if n := w.begun(); n != before {
				t.Errorf("%d changes of the wrong commit were begun", n-before)
			}
			passes := w.ended()
			if last := passes[len(passes)-1]; last.Commit != third || !last.Converged() {
				t.Errorf("the last pass: %+v", last)
			}
			statuses := w.forge.on("2222")
			if last := statuses[len(statuses)-1]; last != "2222 apply canceled: superseded by 333300003333 after 0 of 21 changes" {
				t.Errorf("the wrong commit ends with %q", last)
			}
		})
	})
}

// A branch that is moved back while a pass winds down for what it was moved to: the
// commit that was applied is the newest again, and ends with the verdicts of such a one.
func TestABranchThatGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"projects/a.yaml": project(names(12)...)}
		visit(t, files, func(w *town) {
			w.forge.push(second, map[string]string{"projects/a.yaml": project("m00", "m01")})
			w.call()
			time.Sleep(10 * time.Second)
			w.forge.push(first, files)
			w.call()
			time.Sleep(time.Hour)
			passes := w.ended()
			if last := passes[len(passes)-1]; last.Commit != first || !last.Converged() || w.count() != 24 {
				t.Errorf("the last pass: %+v", last)
			}
			for commit, verdicts := range map[string][]string{
				"1111": {"1111 validate success: 2 files, 12 machines", "1111 plan success: create 10 guests, 12 power",
					"1111 policy success: no rule objects", "1111 apply success: 12 guests, 12 records: applied"},
				"2222": {"2222 validate success: 2 files, 2 machines", "2222 policy success: no rule objects"},
			} {
				for _, want := range verdicts {
					context := strings.Join(strings.Fields(want)[:2], " ")
					all := slices.DeleteFunc(w.forge.on(commit), func(s string) bool { return !strings.HasPrefix(s, context) })
					if len(all) == 0 || all[len(all)-1] != want || strings.Contains(strings.Join(all, ""), "while") {
						t.Errorf("want in the end %q: %q", want, all)
					}
				}
			}
		})
	})
}

func TestACommitThatPlansTheSameDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"projects/a.yaml": project(names(6)...)}
		visit(t, files, func(w *town) {
			w.forge.push(second, map[string]string{"projects/a.yaml": "# a word\n" + project(names(6)...)})
			w.call()
			time.Sleep(time.Hour)
			if passes := w.ended(); len(passes) < 2 || !passes[0].Converged() || passes[0].Commit != first || passes[1].Commit != second {
				t.Errorf("%d passes, %+v", len(passes), passes[0])
			}
		})
	})
}

// However often somebody pushes, work goes on for at least half of the time, also
// where each winding down is as long as the longest of what runs.
func TestAStormOfPushesDoesNotStarveTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := project(names(20)...)
		w := visit(t, map[string]string{"projects/a.yaml": all}, func(w *town) {
			w.cri.mu.Lock()
			w.cri.long = []string{"m10.isima.fr", "m15.isima.fr"}
			w.cri.mu.Unlock()
			began := time.Now()
			for i := 0; w.count() < 40 && time.Since(began) < time.Hour; i++ { // machines and their power
				last := strings.LastIndex(all, "memory: 512")
				w.forge.push(fmt.Sprintf("%04d000000000000", 3000+i), map[string]string{
					"projects/a.yaml": all[:last] + strings.Replace(all[last:], "512", strconv.Itoa(1024+i), 1),
				})
				select {
				case w.calls <- struct{}{}:
				default:
				}
				time.Sleep(20 * time.Second)
			}
			// Two of forty take ten minutes, two go at a time: 29 minutes, and as long again at most.
			if took := time.Since(began); took > 57*time.Minute {
				t.Errorf("it took %s", took)
			}
		})
		if n := len(w.ended()); n < 5 {
			t.Errorf("only %d passes: nothing was wound down", n)
		}
	})
}

func TestAPauseWindsAPassDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		why := ""
		f := &slow{memory: memory{things: map[inventory.Key]inventory.Resource{}}, width: 1}
		h := newHouse(map[string]string{"projects/a.yaml": project(names(5)...)})
		h.Systems["cri"] = Managed{System: f, Apply: ApplyAuto, Prune: true}
		h.Paused = func() string {
			mu.Lock()
			defer mu.Unlock()
			return why
		}
		time.AfterFunc(90*time.Second, func() {
			mu.Lock()
			defer mu.Unlock()
			why = "exams"
		})
		began := time.Now()
		pass := h.pass(t)
		if took := time.Since(began); took != 2*time.Minute || len(f.begun) != 2 {
			t.Errorf("it took %s and began %d changes, want 2 in two minutes", took, len(f.begun))
		}
		if s := h.repo.last(pass.Commit)[ContextApply]; s.State != StatusPending || s.Description != "paused: exams" {
			t.Errorf("the status is %+v", s)
		}
	})
}

func TestAStopEndsTheDeskToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := visit(t, map[string]string{"projects/a.yaml": project(names(6)...)}, func(w *town) {
			w.forge.push(second, map[string]string{"projects/a.yaml": project("m00")})
			w.call()
		})
		if passes := w.ended(); len(passes) != 1 {
			t.Errorf("%d passes ended", len(passes))
		}
	}) // which demands that no goroutine is left
}

// A request that would delete too much, and comes, is approved and merged while a
// pass applies: what it would delete has been made by that very pass.
func TestAnApprovalIsHeardWhileAPassApplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"projects/a.yaml": project(names(20)...)}
		visit(t, files, func(w *town) {
			time.Sleep(2 * time.Minute)
			w.forge.mu.Lock()
			w.forge.proposals = []Proposal{{ID: "!7", Commit: second, Author: "ada", Tree: tree(map[string]string{"projects/a.yaml": project("m00")}), Changed: []string{"projects/a.yaml"}}}
			w.forge.mu.Unlock()
			w.call()
			synctest.Wait()
			shown := w.forge.on("2222")
			if len(shown) < 5 || !strings.Contains(shown[4], "plan failed: 19 held back, approve ") {
				t.Fatalf("the request is answered with %q", shown)
			}
			w.forge.mu.Lock()
			w.forge.given = []Approval{{User: "olivier", Commit: second, At: time.Now()}}
			w.forge.mu.Unlock()
			w.call()
			synctest.Wait()
			shown = w.forge.on("2222")
			if last := shown[len(shown)-2]; !strings.Contains(last, "plan success") || !strings.Contains(last, "approved by olivier on !7") {
				t.Errorf("after the approval: %q", shown)
			}
		})
	})
}

func TestARefusedCommitIsToldWhileAPassApplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"projects/a.yaml": project(names(6)...)}
		visit(t, files, func(w *town) {
			w.forge.mu.Lock()
			w.forge.refused = []Refusal{{Commit: third, Reason: "nobody signed it"}}
			w.forge.mu.Unlock()
			w.call()
			synctest.Wait()
			want(t, "the refused commit", w.forge.on("3333"), []string{
				"3333 policy failed: nobody signed it", "3333 apply failed: not applied: what 111100001111 declares stands",
			})
			time.Sleep(time.Hour)
			if passes := w.ended(); len(passes) < 2 || passes[0].Stopped {
				t.Errorf("the pass did not go on: %+v", passes)
			}
		})
	})
}

// Who called while the repository could not be read is not forgotten, and the
// work does not suffer.
func TestAForgeThatIsDownWhileAPassApplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"projects/a.yaml": project(names(6)...)}
		visit(t, files, func(w *town) {
			down := func(is bool) {
				w.forge.mu.Lock()
				defer w.forge.mu.Unlock()
				w.forge.down = is
			}
			w.forge.push(second, map[string]string{"projects/a.yaml": project(names(7)...)})
			down(true)
			w.call()
			time.Sleep(time.Minute)
			down(false)
			time.Sleep(5 * time.Minute)
			passes := w.ended()
			if len(passes) == 0 || !passes[0].Converged() {
				t.Fatalf("the pass did not end well: %+v", passes)
			}
			if !slices.Contains(w.forge.on("2222"), "2222 apply running: applying 3 changes") {
				t.Errorf("the newer commit: %q", w.forge.on("2222"))
			}
		})
	})
}

// A repository that hangs when the work is to begin keeps it waiting for a moment only.
func TestAForgeThatHangsBeforeTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		visit(t, map[string]string{"projects/a.yaml": project("m00")}, func(w *town) {
			time.Sleep(10 * time.Minute)
			before := w.begun()
			w.forge.push(second, map[string]string{"projects/a.yaml": project("m00", "m01")})
			w.forge.mu.Lock()
			w.forge.hangs = 2
			w.forge.mu.Unlock()
			w.call()
			time.Sleep(glance + time.Second)
			if w.begun() == before {
				t.Error("nothing was begun")
			}
		})
	})
}

// What a desk breaks over ends neither it nor the pass.
func TestAFaultAtTheDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"projects/a.yaml": project(names(2)...)}
		visit(t, files, func(w *town) {
			w.forge.mu.Lock()
			w.forge.proposals = []Proposal{{ID: "!7", Commit: "", Tree: tree(files)}} // too short for the double
			w.forge.mu.Unlock()
			w.call()
			synctest.Wait()
			w.forge.mu.Lock()
			w.forge.proposals = nil
			w.forge.mu.Unlock()
			w.forge.push(second, map[string]string{"projects/a.yaml": project("m00", "m01", "m02")})
			w.call()
			synctest.Wait()
			if len(w.forge.on("2222")) == 0 {
				t.Error("nobody is answered any more")
			}
		})
	})
}
