package gitlab

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/provost-dev/provost/sources/forge/forgetest"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

func TestDirectory(t *testing.T) {
	forgetest.RunDirectory(t, func(t *testing.T) forgetest.People {
		return &people{server: newServer(t, gitlabsim.Options{}), work: t.TempDir()}
	})
}

// people are the users of the double, and a clone to push from.
type people struct {
	*server
	work string
}

// Group makes one of the members belong by way of the group above.
func (p *people) Group(_ *testing.T, name string, members []string) {
	for _, m := range members {
		p.AddUser(m, "", "api")
	}
	p.AddGroup("campus", members[:1]...)
	p.AddGroup("campus/"+name, members[1:]...)
	p.AddGroup("campus/"+name+"-old", "root")
}

func (p *people) Push(t *testing.T, branch, login string) string {
	t.Helper()
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", p.work}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
			"GIT_AUTHOR_NAME=somebody else", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=somebody else", "GIT_COMMITTER_EMAIL=a@b")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v %s", args[0], err, out)
		}
		return strings.TrimSpace(string(out))
	}
	p.AddUser(login, "token-of-"+login, "api", "write_repository")
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "by "+login)
	git("push", "-q", p.CloneURL(project, login), "HEAD:refs/heads/"+branch)
	return git("rev-parse", "HEAD")
}
