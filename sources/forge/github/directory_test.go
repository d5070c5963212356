package github

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/provost-dev/provost/sources/forge/forgetest"
)

func TestDirectory(t *testing.T) {
	forgetest.RunDirectory(t, func(t *testing.T) forgetest.People { return newPeople(t) })
}

// people is a double of GitHub as far as its REST reference tells of teams and
// of a repository's activity.
type people struct {
	*server
	teams  map[string][]string
	pushes []activity // oldest first
}

type activity struct {
	ID     int    `json:"id"`
	Before string `json:"before"`
	After  string `json:"after"`
	Ref    string `json:"ref"`
	Type   string `json:"activity_type"`
	Actor  *user  `json:"actor"`
}

func newPeople(t *testing.T) *people {
	p := &people{server: newServer(t), teams: map[string][]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v3/orgs/campus/teams/{team}/members", p.listMembers)
	mux.HandleFunc("GET /api/v3/repos/campus/infra/activity", p.listActivity)
	p.Front = forgetest.NewFront(t, "Bearer ", mux)
	p.config.URL = p.URL
	p.config.TokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(p.config.TokenFile, []byte(forgetest.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *people) Group(_ *testing.T, name string, members []string) {
	p.teams[name] = members
	p.teams["old-"+name] = []string{"root"}
}

func (p *people) Push(_ *testing.T, branch, login string) string {
	sha := fmt.Sprintf("%040x", len(p.pushes)+1)
	p.pushes = append(p.pushes, activity{len(p.pushes), "", sha, "refs/heads/" + branch, "push", &user{login}})
	return sha
}

func (p *people) listMembers(w http.ResponseWriter, r *http.Request) {
	members, ok := p.teams[r.PathValue("team")]
	if !ok {
		forgetest.WriteJSON(w, http.StatusNotFound, map[string]string{"message": "Not Found"})
		return
	}
	users := []user{}
	for _, m := range members {
		users = append(users, user{m})
	}
	forgetest.WriteJSON(w, http.StatusOK, forgetest.Page(w, r, users, "per_page", 100))
}

// listActivity pages by a cursor, two at a time.
func (p *people) listActivity(w http.ResponseWriter, r *http.Request) {
	found := []activity{}
	last := len(p.pushes)
	if after := r.URL.Query().Get("after"); after != "" {
		last, _ = strconv.Atoi(after)
	}
	for i := last - 1; i >= 0 && len(found) < 2; i-- {
		if p.pushes[i].Ref == r.URL.Query().Get("ref") {
			found = append(found, p.pushes[i])
		}
		last = i
	}
	if last > 0 {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?after=%d>; rel="next"`, p.URL, r.URL.Path, last))
	}
	forgetest.WriteJSON(w, http.StatusOK, found)
}
