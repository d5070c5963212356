package gitea

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "code.gitea.io/sdk/gitea"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge/forgetest"
)

// TestRealServer holds the client against a Gitea or Forgejo binary, where
// PROVOST_GITEA names one. It makes sure of what the double only believes.
func TestRealServer(t *testing.T) {
	binary := os.Getenv("PROVOST_GITEA")
	if binary == "" {
		t.Skip("PROVOST_GITEA does not name a gitea or forgejo binary")
	}
	url, token := realServer(t, binary)
	admin, err := api.NewClient(url, api.SetToken(token), api.SetGiteaVersion(""))
	if err != nil {
		t.Fatal(err)
	}
	commit, head := populate(t, admin)

	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	config := Config{URL: url, Project: "bot/infra", Branch: "main", TokenFile: file}
	want := reconciler.Status{Context: reconciler.ContextPlan, Description: "62 guests", TargetURL: "https://provost.example.org/passes/7"}
	for _, state := range []reconciler.StatusState{"pending", "running", "failed", "success", "success"} {
		f, err := New(config, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		want.State = state
		if err := f.SetStatus(t.Context(), commit, "main", want); err != nil {
			t.Fatal(err)
		}
		requests, err := f.Requests(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(requests) != 1 || requests[0].Head != head || requests[0].Ref != "refs/pull/1/head" || requests[0].Fork {
			t.Errorf("requests are %+v", requests)
		}
		f.Close()
	}
	rows, _, err := admin.ListStatuses("bot", "infra", commit, api.ListStatusesOption{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 { // pending, failed, success: running is pending, the second success stands
		t.Errorf("%d statuses were written, want 3", len(rows))
	}
	realPeople(t, admin, config)
	realUntrusted(t, admin, config, head)
}

// realUntrusted asks the server itself what it keeps of hostile texts.
func realUntrusted(t *testing.T, admin *api.Client, config Config, commit string) {
	t.Helper()
	rows := func() []*api.Status {
		var all []*api.Status
		for page := 1; ; page++ {
			list, _, err := admin.ListStatuses("bot", "infra", commit, api.ListStatusesOption{ListOptions: api.ListOptions{Page: page, PageSize: perPage}})
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				return all
			}
			all = append(all, list...)
		}
	}
	forgetest.Untrusted(t, commit, longest, func() sources.Forge {
		f, err := New(config, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}, func() []reconciler.Status {
		var list []reconciler.Status
		for _, row := range rows() {
			list = append(list, read(row))
		}
		return list
	}, func() int { return len(rows()) })
}

// realPeople asks the server who is in a team, and who pushed by the API and by
// the merge button.
func realPeople(t *testing.T, admin *api.Client, config Config) {
	t.Helper()
	f, err := New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, _, err := admin.CreateOrg(api.CreateOrgOption{Name: "campus"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"teachers", "old-teachers"} {
		team, _, err := admin.CreateTeam("campus", api.CreateTeamOption{Name: name, Permission: api.AccessModeRead, Units: []api.RepoUnitType{api.RepoUnitCode}})
		if err != nil {
			t.Fatal(err)
		}
		if name == "teachers" {
			if _, err := admin.AddTeamMember(team.ID, "bot"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for group, want := range map[string]string{"campus/teachers": "[bot]", "campus/old-teachers": "[]"} {
		if got, err := f.Members(t.Context(), group); err != nil || fmt.Sprint(got) != want {
			t.Errorf("members of %s: %v, %v", group, got, err)
		}
	}
	if got, err := f.Members(t.Context(), "campus/nobody"); err == nil {
		t.Errorf("members of nobody: %v", got)
	}
	for _, change := range []func() error{
		func() error {
			_, _, err := admin.CreateFile("bot", "infra", "direct.yaml", api.CreateFileOptions{
				FileOptions: api.FileOptions{BranchName: "main", Message: "direct"}, Content: "YTogMQo="})
			return err
		},
		func() error {
			for range 100 { // it first looks whether there are conflicts
				merged, _, err := admin.MergePullRequest("bot", "infra", 1, api.MergePullRequestOption{Style: api.MergeStyleMerge})
				if err != nil || merged {
					return err
				}
				time.Sleep(100 * time.Millisecond)
			}
			return errors.New("it was not merged")
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		b, _, err := admin.GetRepoBranch("bot", "infra", "main")
		if err != nil {
			t.Fatal(err)
		}
		var pushers map[string]string
		for range 50 { // activities are noted in a queue
			if pushers, err = f.Pushers(t.Context(), "main", b.Commit.ID); err != nil || pushers[b.Commit.ID] != "" {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil || pushers[b.Commit.ID] != "bot" {
			t.Errorf("pushers of %s: %v, %v", b.Commit.ID, pushers, err)
		}
	}
}

// realServer starts the binary with an empty database, and gives its address
// and the token of its user bot.
func realServer(t *testing.T, binary string) (url, token string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	dir := t.TempDir()
	ini := fmt.Sprintf(`I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %d
ROOT_URL = %s/
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = %s/gitea.db
[repository]
ROOT = %[3]s/repositories
[security]
INSTALL_LOCK = true
[log]
LEVEL = error
`, port, url, dir)
	if err := os.MkdirAll(filepath.Join(dir, "custom", "conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "custom", "conf", "app.ini"), []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = append(os.Environ(), "GITEA_WORK_DIR="+dir, "GITEA_CUSTOM="+filepath.Join(dir, "custom"), "HOME="+dir)
		cmd.Dir = dir
		return cmd
	}
	run := func(args ...string) string {
		out, err := command(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("gitea %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("migrate")
	run("admin", "user", "create", "--admin", "--username", "bot", "--password", "correct horse 1", "--email", "bot@campus.example", "--must-change-password=false")
	token = run("admin", "user", "generate-access-token", "--username", "bot", "--token-name", "test", "--scopes", "all", "--raw")
	token = token[strings.LastIndexByte(token, '\n')+1:]

	server := command("web")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	for range 300 {
		if answer, err := http.Get(url + "/api/v1/version"); err == nil {
			answer.Body.Close()
			return url, token
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server did not begin to answer")
	return "", ""
}

// populate makes a repository with a pull request, and gives the commits of
// main and of the request's head.
func populate(t *testing.T, admin *api.Client) (commit, head string) {
	t.Helper()
	if _, _, err := admin.CreateRepo(api.CreateRepoOption{Name: "infra", AutoInit: true, DefaultBranch: "main"}); err != nil {
		t.Fatal(err)
	}
	_, _, err := admin.CreateFile("bot", "infra", "course.yaml", api.CreateFileOptions{
		FileOptions: api.FileOptions{BranchName: "main", NewBranchName: "course", Message: "a course"},
		Content:     base64.StdEncoding.EncodeToString([]byte("a: 1\n")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := admin.CreatePullRequest("bot", "infra", api.CreatePullRequestOption{Head: "course", Base: "main", Title: "A course"}); err != nil {
		t.Fatal(err)
	}
	for branch, into := range map[string]*string{"main": &commit, "course": &head} {
		b, _, err := admin.GetRepoBranch("bot", "infra", branch)
		if err != nil {
			t.Fatal(err)
		}
		*into = b.Commit.ID
	}
	return commit, head
}
