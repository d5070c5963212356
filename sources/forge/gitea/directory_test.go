package gitea

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/sources/forge/forgetest"
)

func TestDirectory(t *testing.T) {
	forgetest.RunDirectory(t, func(t *testing.T) forgetest.People { return newPeople(t) })
}

// people is a double of Gitea as far as its API's description and source tell of
// teams and of a repository's activities.
type people struct {
	*server
	teams   []team
	members map[int][]string
	pushes  []activity // oldest first
}

type team struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

type activity struct {
	ID      int    `json:"id"`
	OpType  string `json:"op_type"`
	RefName string `json:"ref_name"`
	Content string `json:"content"`
	ActUser user   `json:"act_user"`
}

func newPeople(t *testing.T) *people {
	p := &people{server: newServer(t), members: map[int][]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/orgs/campus/teams/search", p.searchTeams)
	mux.HandleFunc("GET /api/v1/teams/{id}/members", p.listMembers)
	mux.HandleFunc("GET /api/v1/repos/campus/infra/activities/feeds", p.listFeeds)
	p.Front = forgetest.NewFront(t, "token ", mux)
	p.config.URL = p.URL
	p.config.TokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(p.config.TokenFile, []byte(forgetest.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *people) Group(_ *testing.T, name string, members []string) {
	p.teams = append(p.teams, team{1, "old-" + name}, team{2, strings.ToUpper(name[:1]) + name[1:]})
	p.members[1], p.members[2] = []string{"root"}, members
}

func (p *people) Push(_ *testing.T, branch, login string) string {
	sha := fmt.Sprintf("%040x", len(p.pushes)+1)
	content, _ := json.Marshal(map[string]any{"Commits": nil, "HeadCommit": map[string]string{"Sha1": sha}, "Len": 1})
	p.pushes = append(p.pushes,
		activity{len(p.pushes), "commit_repo", "refs/heads/" + branch, string(content), user{login}},
		activity{len(p.pushes) + 1, "create_issue", "", "1|an issue", user{login}})
	return sha
}

func (p *people) searchTeams(w http.ResponseWriter, r *http.Request) {
	found := []team{}
	for _, t := range p.teams {
		if strings.Contains(strings.ToLower(t.Name), strings.ToLower(r.URL.Query().Get("q"))) {
			found = append(found, t)
		}
	}
	forgetest.WriteJSON(w, http.StatusOK, map[string]any{"ok": true, "data": forgetest.Page(w, r, found, "limit", 50)})
}

func (p *people) listMembers(w http.ResponseWriter, r *http.Request) {
	users := []user{}
	for _, m := range p.members[int(r.PathValue("id")[0]-'0')] {
		users = append(users, user{m})
	}
	forgetest.WriteJSON(w, http.StatusOK, forgetest.Page(w, r, users, "limit", 50))
}

func (p *people) listFeeds(w http.ResponseWriter, r *http.Request) {
	newest := slices.Clone(p.pushes)
	slices.Reverse(newest)
	forgetest.WriteJSON(w, http.StatusOK, forgetest.Page(w, r, newest, "limit", 50))
}
