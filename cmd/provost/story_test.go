package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim/recorded"
	"github.com/provost-dev/provost/projects/example"
)

// TestMain lets the scripts run this binary as provost: each command is a new
// process, as it would be in production.
func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){"provost": overheardMain})
}

// checked also holds what the stories sent to Proxmox against its real schema.
type checked struct{ tests *testing.M }

func (c checked) Run() int {
	letMoreWait()
	return recorded.Run(c.tests)
}

// letMoreWait lets more stories play at once than there are processors, where
// nobody says how many: two thirds of a story's time it waits, for a lease to end, a
// daemon's next pass or a lock. More than these few would rather wait for each other.
func letMoreWait() {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))) // the flag is there
	}
}

// TestStories runs the stories in testdata/script. Their words, beside those of
// testscript, are in storyWords.
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, storiesIn(filepath.Join("..", "..", "testdata", "script")))
}

// storiesIn are the stories of a folder.
func storiesIn(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		Cmds:                storyWords,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			s := &stage{guests: map[string]remembered{}}
			env.Values[stageKey{}] = s
			env.Setenv("STORY_OUTPUT", filepath.Join(env.WorkDir, outputFile))
			env.Defer(func() {
				if s.world != nil {
					wantNoSecrets(env.T(), s.world, env.Getenv("STORY_OUTPUT"))
				}
			})
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			env.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(env.WorkDir, "gitconfig"))
			env.Setenv("GIT_TERMINAL_PROMPT", "0")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("VAULT_TOKEN", environmentSecret)
			config := "[user]\n\tname = Camille Roux\n\temail = camille.roux@isima.fr\n"
			return os.WriteFile(filepath.Join(env.WorkDir, "gitconfig"), []byte(config), 0o600)
		},
	}
}

// storyWords are the verbs of the stories.
var storyWords = map[string]func(*testscript.TestScript, bool, []string){
	"campus":   campusWord,
	"push":     pushWord,
	"converge": convergeWord,
	"insync":   inSyncWord,
	"status":   statusWord,
	"guest":    guestWord,
	"remember": rememberWord,
	"same":     sameWord,
	"record":   recordWord,
	"filter":   filterWord,
	"pve":      pveWord,
	"windows":  windowsWord,
	"sim":      simWord,
	"forge":    forgeWord,
	"mr":       mrWord,
	"foreign":  foreignWord,
	"replace":  replaceWord,
	"wait-for": waitForWord,
	"config":   configWord,
	"page":     pageWord,
	"login":    loginWord,
	"certify":  certifyWord,

	"age":         ageWord,
	"hash":        hashWord,
	"wait-output": waitOutputWord,
	"unique":      uniqueWord,
	"kill-after":  killAfterWord,
	"count":       countWord,
}

// stage is what one story plays on.
type stage struct {
	world  *world.World
	guests map[string]remembered // by name, as "remember" saw them
	digest string                // of everything foreign

	cookies http.CookieJar // of whoever looks at the pages
}

type stageKey struct{}

func on(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// campusWord starts a campus of its own for the story: campus [students=N]
// [speed=N]. With a speed its cluster takes its time, so many times quicker than one
// with big desktops; without, it takes none.
func campusWord(ts *testscript.TestScript, neg bool, args []string) {
	students, costs := 4, pvesim.Costs{}
	for _, a := range args {
		switch what, n, _ := strings.Cut(a, "="); what {
		case "students":
			students = atoi(ts, n)
		case "speed":
			var err error
			costs, err = pvesim.Preset("campus")
			ts.Check(err)
			costs.Speed = float64(atoi(ts, n))
		default:
			ts.Fatalf("usage: campus [students=N] [speed=N]")
		}
	}
	dir := ts.MkAbs("world")
	ts.Check(os.MkdirAll(dir, 0o700))
	w, err := world.Start(world.Options{Dir: dir, Tree: example.Tree(students, 1), Costs: costs, Seed: 1})
	ts.Check(err)
	ts.Defer(w.Close)
	ctx, cancel := context.WithCancel(context.Background())
	ts.Defer(cancel)
	go w.Live(ctx)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	listen := listener.Addr().String()
	listener.Close() // for the daemon to take
	config, err := w.Configure(listen, "1s")
	ts.Check(err)
	s := on(ts)
	s.world = w
	s.digest = s.foreign()
	ts.Setenv("CONFIG", config)
	ts.Setenv("COMMIT", w.Commit)
	ts.Setenv("PAGES", "http://"+listen)
	ts.Setenv("SECURE_PAGES", "https://"+listen)
	ts.Setenv("PAGES2", "http://"+strings.Replace(listen, "127.0.0.1", "127.0.0.2", 1)) // of a second daemon
	ts.Setenv("REPO", filepath.Join(dir, "campus"))
	plantPages(ts, filepath.Join(dir, "secrets"))
}

func atoi(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// pushWord commits everything in the clone and pushes it, perhaps to $FORK: push
// [--force] [--as USER | --fork] SUBJECT [BRANCH].
func pushWord(ts *testscript.TestScript, neg bool, args []string) {
	repo, branch, how, to := ts.Getenv("REPO"), "main", "--quiet", "origin"
	if args[0] == "--force" {
		how, args = args[0], args[1:]
	}
	if args[0] == "--fork" {
		to, args = ts.Getenv("FORK"), args[1:]
	}
	if args[0] == "--as" {
		to, args = on(ts).world.GitLab.CloneURL(world.Project, args[1]), args[2:]
	}
	if len(args) > 1 {
		branch = args[1]
	}
	git := func(args ...string) string {
		out, err := world.Git(repo, args...)
		ts.Check(err)
		return strings.TrimSpace(out)
	}
	git("add", "--all")
	git("commit", "--quiet", "--allow-empty", "--message", args[0])
	git("push", how, to, "HEAD:"+branch)
	ts.Setenv("COMMIT", git("rev-parse", "HEAD"))
}

// convergeWord makes passes by new processes until one leaves nothing undone
// (three at most), and then demands that a further one finds nothing to do.
// "! converge" demands that a pass does not manage.
func convergeWord(ts *testscript.TestScript, neg bool, args []string) {
	var err error
	for range 3 {
		if err = ts.Exec("provost", "apply", "--config", ts.Getenv("CONFIG"), "--log-level", "error"); err == nil || neg {
			break
		}
	}
	if neg {
		if err == nil {
			ts.Fatalf("it converged")
		}
		return
	}
	ts.Check(err)
	inSyncWord(ts, false, nil)
}

// inSyncWord demands that a new process plans nothing.
func inSyncWord(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("provost", "plan", "--config", ts.Getenv("CONFIG"), "--log-level", "error")
	if (err == nil) == neg {
		ts.Fatalf("plan: %v", err)
	}
}

// patience is how long a word waits for what a daemon is about to do.
const patience = time.Minute

// eventually tries check until it says nothing or patience ends.
func eventually(ts *testscript.TestScript, check func() string) {
	deadline := time.Now().Add(patience)
	for {
		complaint := check()
		if complaint == "" {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s", complaint)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// statusWord waits for a status on $COMMIT: status CONTEXT STATE [REGEXP].
func statusWord(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile(strings.Join(args[2:], " "))
	commit := ts.Getenv("COMMIT")
	find := func() string {
		var seen []string
		for _, s := range on(ts).world.GitLab.Statuses(world.Project, commit) {
			if s.Name == "provost/"+args[0] && s.State == args[1] && want.MatchString(s.Description) {
				return ""
			}
			seen = append(seen, fmt.Sprintf("%s %s %q", s.Name, s.State, s.Description))
		}
		return fmt.Sprintf("no status %s %s on %s; there are\n  %s", args[0], args[1:], commit, strings.Join(seen, "\n  "))
	}
	if neg {
		if find() == "" {
			ts.Fatalf("there is such a status")
		}
		return
	}
	eventually(ts, find)
}

// waitForWord waits until a page of the daemon holds a text: wait-for PATH REGEXP.
// A path may be a whole address.
func waitForWord(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile(args[1])
	eventually(ts, func() string {
		page := args[0]
		if strings.HasPrefix(page, "/") {
			page = ts.Getenv("PAGES") + page
		}
		body, err := fetch(ts, page)
		overhear(ts, body)
		if err == nil && want.MatchString(body) {
			return ""
		}
		return fmt.Sprintf("%s never said %s: %v %s", args[0], args[1], err, body)
	})
}

// waitOutputWord waits until a provost of this story prints a text: wait-output REGEXP.
func waitOutputWord(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile(args[0])
	eventually(ts, func() string {
		if text, err := os.ReadFile(ts.Getenv("STORY_OUTPUT")); err != nil || !want.Match(text) {
			return fmt.Sprintf("no provost printed %s: %v", args[0], err)
		}
		return ""
	})
}

// replaceWord edits a file of the clone: replace FILE REGEXP TEXT.
func replaceWord(ts *testscript.TestScript, neg bool, args []string) {
	edit(ts, filepath.Join(ts.Getenv("REPO"), args[0]), args[1], args[2])
}

// configWord edits provost.yaml: config REGEXP TEXT.
func configWord(ts *testscript.TestScript, neg bool, args []string) {
	edit(ts, ts.Getenv("CONFIG"), args[0], args[1])
}

func edit(ts *testscript.TestScript, file, pattern, text string) {
	old, err := os.ReadFile(file)
	ts.Check(err)
	re := regexp.MustCompile("(?m)" + pattern)
	if !re.Match(old) {
		ts.Fatalf("%s holds nothing like %s:\n%s", file, pattern, old)
	}
	text = strings.NewReplacer(`\n`, "\n").Replace(text)
	ts.Check(os.WriteFile(file, re.ReplaceAll(old, []byte(text)), 0o644))
}
