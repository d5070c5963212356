package gitlabsim

import (
	"errors"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
)

// go-git is the other client that the double has to satisfy: the daemon's own.
func TestFetchWithGoGit(t *testing.T) {
	s, w, first := withCommit(t)
	w.git("checkout", "-q", "-b", "course")
	head := w.commit("b.yaml", "b: 1\n", "a course")
	w.git("push", "-q", "origin", "course")
	if _, err := s.OpenMR("campus/infra", "course", "main", "A course"); err != nil {
		t.Fatal(err)
	}
	r, err := git.CloneContext(t.Context(), memory.NewStorage(), nil, &git.CloneOptions{
		URL: s.URL() + "/campus/infra.git", Auth: &http.BasicAuth{Username: "oauth2", Password: "glpat-bot"},
		ReferenceName: "refs/heads/main", SingleBranch: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if ref, err := r.Head(); err != nil || ref.Hash().String() != first {
		t.Errorf("main is %v, %v, want %s", ref, err, first)
	}
	fetch := func(token string) error {
		return r.FetchContext(t.Context(), &git.FetchOptions{
			RefSpecs: []config.RefSpec{"+refs/merge-requests/1/head:refs/requests/1"},
			Auth:     &http.BasicAuth{Username: "oauth2", Password: token},
		})
	}
	if err := fetch("glpat-bot"); err != nil {
		t.Fatal(err)
	}
	if ref, err := r.Reference(plumbing.ReferenceName("refs/requests/1"), true); err != nil || ref.Hash().String() != head {
		t.Errorf("head of the request is %v, %v, want %s", ref, err, head)
	}
	if err := fetch("glpat-bot"); !errors.Is(err, git.NoErrAlreadyUpToDate) {
		t.Errorf("an idle fetch gave %v", err)
	}
	if err := fetch("wrong"); !errors.Is(err, transport.ErrAuthenticationRequired) {
		t.Errorf("a wrong token gave %v", err)
	}
}
