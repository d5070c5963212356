package gitlabsim

import (
	"os/exec"
	"strings"
	"testing"
)

func TestPushAndFetchWithRealGit(t *testing.T) {
	for name, o := range map[string]Options{"http": {}, "https": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, o)
			w := clone(t, s, "campus/infra", "alice")
			sha := w.commit("a.yaml", "a: 1\n", "first")
			w.git("push", "-q", "origin", "main")
			again := clone(t, s, "campus/infra", "alice")
			if got := again.git("rev-parse", "origin/main"); got != sha {
				t.Errorf("cloned main is %s, want %s", got, sha)
			}
			w.commit("a.yaml", strings.Repeat("a long line that does not compress to nothing\n", 40000), "big")
			w.git("push", "-q", "origin", "main")
			again.git("-c", "protocol.version=0", "pull", "-q", "--no-rebase", "origin", "main")
		})
	}
}

func TestWhoMayPushAndFetch(t *testing.T) {
	s := start(t, Options{})
	s.AddUser("reader", "glpat-reader", "read_repository")
	s.AddUser("api", "glpat-api", "read_api")
	s.AddUser("dev", "glpat-dev", "write_repository")
	s.SetRole("dev", Developer)
	w := clone(t, s, "campus/infra", "alice")
	w.commit("a.yaml", "a: 1\n", "first")
	w.git("push", "-q", "origin", "main")

	for _, c := range []struct{ user, args, want string }{
		{"reader", "fetch", ""},
		{"reader", "push main:main", "Authentication failed"},
		{"api", "fetch", "Authentication failed"},
		{"nobody", "fetch", "could not read Username"},
		{"dev", "push main:feature", ""},
		{"dev", "push main:main", "not allowed to push code to protected branches"},
		{"alice", "push main:refs/merge-requests/7/head", "deny updating a hidden ref"},
	} {
		t.Run(c.user+" "+c.args, func(t *testing.T) {
			w.commit("b.yaml", c.user+c.args, "second")
			command, rest, _ := strings.Cut(c.args, " ")
			args := append([]string{command, s.CloneURL("campus/infra", c.user)}, strings.Fields(rest)...)
			out, err := w.try(args...)
			if (err == nil) != (c.want == "") || !strings.Contains(out, c.want) {
				t.Errorf("git %s as %s: %v: %q, want %q in it", c.args, c.user, err, out, c.want)
			}
		})
	}
}

func TestMergeRequestHeadsAndMerge(t *testing.T) {
	s := start(t, Options{})
	w := clone(t, s, "campus/infra", "alice")
	w.commit("a.yaml", "a: 1\n", "first")
	w.git("push", "-q", "origin", "main")
	w.git("checkout", "-q", "-b", "course")
	w.commit("b.yaml", "b: 1\n", "a course")
	w.git("push", "-q", "origin", "course")
	iid, err := s.OpenMR("campus/infra", "course", "main", "A course")
	if err != nil {
		t.Fatal(err)
	}
	head := w.commit("b.yaml", "b: 2\n", "a better course")
	w.git("push", "-q", "origin", "course")
	if out := w.git("ls-remote", "origin", "refs/merge-requests/1/head"); !strings.HasPrefix(out, head) {
		t.Errorf("head of the merge request is %q, want %s", out, head)
	}
	if err := s.MergeMR("campus/infra", iid); err != nil {
		t.Fatal(err)
	}
	w.git("fetch", "-q", "origin")
	if parents := w.git("log", "-1", "--format=%P", "origin/main"); !strings.Contains(parents, head) {
		t.Errorf("parents of main are %q, want %s among them", parents, head)
	}
	if out := w.git("show", "origin/main:b.yaml"); out != "b: 2" {
		t.Errorf("merged file is %q", out)
	}
	if err := s.MergeMR("campus/infra", iid); err == nil {
		t.Error("merging twice was not refused")
	}
}

func TestMergedByHandIsNoticed(t *testing.T) {
	s := start(t, Options{})
	w := clone(t, s, "campus/infra", "alice")
	w.commit("a.yaml", "a: 1\n", "first")
	w.git("push", "-q", "origin", "main")
	w.git("checkout", "-q", "-b", "course")
	w.commit("b.yaml", "b: 1\n", "a course")
	w.git("push", "-q", "origin", "course")
	iid, err := s.OpenMR("campus/infra", "course", "main", "A course")
	if err != nil {
		t.Fatal(err)
	}
	w.git("checkout", "-q", "main")
	w.git("merge", "-q", "course")
	w.git("push", "-q", "origin", "main")
	if err := s.MergeMR("campus/infra", iid); err == nil || !strings.Contains(err.Error(), "it is merged") {
		t.Errorf("merging what was merged by hand gave %v", err)
	}
}

func TestMergeConflictIsRefused(t *testing.T) {
	s := start(t, Options{})
	w := clone(t, s, "campus/infra", "alice")
	w.commit("a.yaml", "a: 1\n", "first")
	w.git("push", "-q", "origin", "main")
	w.git("checkout", "-q", "-b", "course")
	w.commit("a.yaml", "a: 2\n", "mine")
	w.git("push", "-q", "origin", "course")
	w.git("checkout", "-q", "main")
	w.commit("a.yaml", "a: 3\n", "theirs")
	w.git("push", "-q", "origin", "main")
	iid, err := s.OpenMR("campus/infra", "course", "main", "A conflict")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.MergeMR("campus/infra", iid); err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Errorf("merge gave %v, want a conflict", err)
	}
}

func TestForkAndPushOption(t *testing.T) {
	s := start(t, Options{})
	w := clone(t, s, "campus/infra", "alice")
	w.commit("a.yaml", "a: 1\n", "first")
	w.git("push", "-q", "origin", "main")

	w.git("checkout", "-q", "-b", "asked")
	asked := w.commit("c.yaml", "c: 1\n", "asked for while pushing")
	w.git("push", "-q", "-o", "merge_request.create", "origin", "asked")
	if out := w.git("ls-remote", "origin", "refs/merge-requests/1/head"); !strings.HasPrefix(out, asked) {
		t.Errorf("head of !1 is %q, want %s", out, asked)
	}

	if err := s.Fork("campus/infra", "alice/infra"); err != nil {
		t.Fatal(err)
	}
	f := clone(t, s, "alice/infra", "alice")
	f.git("checkout", "-q", "-b", "idea", "origin/main")
	head := f.commit("d.yaml", "d: 1\n", "an idea")
	f.git("push", "-q", "origin", "idea")
	iid, err := s.OpenForkMR("campus/infra", "alice/infra", "idea", "main", "An idea")
	if err != nil {
		t.Fatal(err)
	}
	if out := w.git("ls-remote", "origin", "refs/merge-requests/2/head"); !strings.HasPrefix(out, head) {
		t.Errorf("head of !2 is %q, want %s", out, head)
	}
	if err := s.MergeMR("campus/infra", iid); err != nil {
		t.Fatal(err)
	}
}

func TestNoGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH (Debian package git)")
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Start(Options{}); err == nil || !strings.Contains(err.Error(), "git is not on PATH") {
		t.Errorf("Start without git gave %v", err)
	}
}
