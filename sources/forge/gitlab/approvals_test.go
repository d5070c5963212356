package gitlab

import (
	"testing"

	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

// Approvals stand until they are withdrawn, over a push too; each is another one.
func TestApprovals(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	s.Commit(t)
	request := s.OpenRequests(t, 1)[0]
	f := s.forge(t)
	users := func() (names []string) {
		t.Helper()
		list, err := f.Approvals(t.Context(), request.ID, request.Head)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if a.Commit != request.Head || a.At.IsZero() {
				t.Errorf("%+v is not of %s, or of no time", a, request.Head)
			}
			names = append(names, a.User)
		}
		return names
	}
	if got := users(); len(got) != 0 {
		t.Errorf("nobody has approved, and yet %v", got)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.AddUser("ada", "", "api")
	must(s.Approve(project, 1, "ada"))
	must(s.Approve(project, 1, "bot"))
	if got := users(); len(got) != 2 || got[0] != "ada" || got[1] != "bot" {
		t.Errorf("got %v", got)
	}
	must(s.Unapprove(project, 1, "ada"))
	if got := users(); len(got) != 1 || got[0] != "bot" {
		t.Errorf("got %v", got)
	}
	if _, err := f.Approvals(t.Context(), "!999", "c0ffee"); err == nil {
		t.Error("the approvals of a merge request that is not there were read")
	}
}
