package reconciler

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"
)

// drawer is a shelf that is a map.
type drawer map[string][]byte

func (d drawer) Load() (map[string][]byte, error) { return maps.Clone(d), nil }

func (drawer) Sync() {}

func (d drawer) Save(name string, value []byte) {
	if d[name] = value; value == nil {
		delete(d, name)
	}
}

// What was promised on commits is taken back by whoever passes after that, in another
// process too, as soon as nobody passes over them any more, and once.
func TestBrokenPromisesAreTold(t *testing.T) {
	shelf := drawer{"torn": []byte(`["provost/va`)}
	killed := newHouse(map[string]string{"projects/a.yaml": project("a")})
	if dropped, err := killed.Promises.Keep(shelf); err != nil || dropped != 1 || len(shelf) != 0 {
		t.Errorf("%d dropped, %v: %v", dropped, err, shelf)
	}
	killed.write(t.Context(), "0ld", applyingStatus(3))
	killed.write(t.Context(), "0ld", Status{Context: ContextPlan, State: StatusSuccess})
	killed.seenRequest(t.Context(), Proposal{Commit: "feed"})
	killed.write(t.Context(), head, applyingStatus(3))

	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	if _, err := h.Promises.Keep(shelf); err != nil {
		t.Fatal(err)
	}
	h.repo.statuses = killed.repo.statuses
	h.repo.silent = errors.New("no route to host")
	h.pass(t)
	h.expect(t, "0ld", "apply running") // it may be a request's head
	h.repo.silent, h.repo.proposals = nil, []Proposal{{ID: "!7", Commit: "feed", Unread: true}}
	h.pass(t)
	h.expect(t, "0ld", "plan success", "apply canceled given up: the branch is at c0ffee00c0ff")
	h.expect(t, "feed", "validate pending", "plan pending", "policy pending")
	h.expect(t, head, "apply success")
	h.repo.proposals = nil
	h.pass(t)
	h.expect(t, "feed", "validate canceled", "plan canceled", "policy canceled")
	written := len(h.repo.statuses["feed"])
	h.pass(t)
	if n := len(h.repo.statuses["feed"]); n != written || len(shelf) != 0 {
		t.Errorf("%d more statuses; still promised: %v", n-written, shelf)
	}
}

// A commit has one verdict a context, however many requests have it as head, and one
// that is not believed has that.
func TestACommitIsAnsweredOnce(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	broken := tree(map[string]string{"projects/a.yaml": "cluster: ["})
	h.repo.refused = []Refusal{{Commit: "bad", Reason: "nobody signed it"}}
	h.repo.proposals = []Proposal{
		{ID: "!1", Commit: "feed", Tree: h.repo.tree}, {ID: "!2", Commit: "feed", Fork: true, Tree: broken},
		{ID: "!3", Commit: head, Tree: broken}, {ID: "!4", Commit: "bad", Tree: h.repo.tree},
	}
	if p := h.pass(t); len(p.Proposals) != 1 || p.Proposals[0].ID != "!1" {
		t.Errorf("answered: %+v", p.Proposals)
	}
	h.expect(t, "feed", "validate success")
	h.expect(t, head, "validate success")
	h.expect(t, "bad", "policy failed nobody signed it")
	if n := len(h.repo.statuses["feed"]); n != 3 {
		t.Errorf("%d statuses on a request's head", n)
	}
}

// An approval stands while the request that it was given on cannot be read.
func TestAnApprovalOutlastsARequestThatIsUnread(t *testing.T) {
	h, approved := approvedRequest(t)
	request := h.repo.proposals[0]
	h.repo.proposals = []Proposal{{ID: request.ID, Commit: request.Commit, Unread: true}}
	h.pass(t)
	h.repo.proposals = []Proposal{request}
	h.pass(t)
	if !approved() {
		t.Error("it is void")
	}
}

// approvedRequest is a house with a request of which something is held back, and which
// olivier has approved.
func approvedRequest(t *testing.T) (h *house, approved func() bool) {
	h, _ = askingHouse(t)
	h.repo.tree = tree(map[string]string{"projects/a.yaml": project("a")})
	h.Approvers = []string{"olivier"}
	h.repo.proposals = []Proposal{{ID: "!7", Commit: "feed", Author: "ada", Tree: tree(map[string]string{"projects/a.yaml": project("a", "b")}), Changed: []string{"projects/a.yaml"}}}
	h.pass(t)
	h.repo.given = []Approval{{User: "olivier", Commit: "feed", At: time.Now()}}
	approved = func() bool {
		return slices.ContainsFunc(h.Approvals.all(), func(one approval) bool { return one.By == "olivier on !7" })
	}
	if h.pass(t); !approved() {
		t.Fatal("it was not heard")
	}
	return h, approved
}

// Whatever stands on the shelf, nothing is promised that has no context, and what is taken
// back is gone from it.
func FuzzKeptPromises(f *testing.F) {
	f.Add([]byte(`["provost/apply"]`))
	f.Add([]byte(`["a","a",""]`))
	f.Add([]byte(`[null]`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		shelf := drawer{"0ld": data}
		h := newHouse(nil)
		if _, err := h.Promises.Keep(shelf); err != nil {
			t.Fatal(err)
		}
		h.breakPromises(t.Context(), head)
		if len(shelf) != 0 || len(h.Promises.given) != 0 {
			t.Errorf("%q leaves %v, %v", data, shelf, h.Promises.given)
		}
		for _, s := range h.repo.statuses["0ld"] {
			if s.Context == "" {
				t.Errorf("%q: a status without context", data)
			}
		}
	})
}
