package github

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources/forge/forgetest"
)

// The last word of each reviewer counts, whatever page it stands on; a comment
// is no word.
func TestApprovals(t *testing.T) {
	pages := []string{
		`[{"user":{"login":"ada"},"state":"APPROVED","commit_id":"c1","submitted_at":"2026-11-20T10:00:00Z"},
		  {"user":{"login":"bob"},"state":"APPROVED","commit_id":"c1","submitted_at":"2026-11-20T10:01:00Z"},
		  {"user":{"login":"eve"},"state":"DISMISSED","commit_id":"c1"},
		  {"user":null,"state":"PENDING"},
		  {"user":{"login":"cleo"},"state":"CHANGES_REQUESTED","commit_id":"c1"}]`,
		`[{"user":{"login":"bob"},"state":"CHANGES_REQUESTED","commit_id":"c2"},
		  {"user":{"login":"ada"},"state":"COMMENTED","commit_id":"c2"},
		  {"user":{"login":"cleo"},"state":"APPROVED","commit_id":"c2","submitted_at":"2026-11-20T11:00:00Z"}]`,
	}
	mux := http.NewServeMux()
	front := forgetest.NewFront(t, "Bearer ", mux)
	mux.HandleFunc("GET /api/v3/repos/campus/infra/pulls/7/reviews", func(w http.ResponseWriter, r *http.Request) {
		page := 0
		if r.URL.Query().Get("page") == "2" {
			page = 1
		} else {
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?page=2>; rel="next"`, front.URL, r.URL.Path))
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, pages[page])
	})
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(forgetest.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{URL: front.URL, Project: "campus/infra", TokenFile: token}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Approvals(t.Context(), "#7", "c2")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339, s); return v }
	want := []reconciler.Approval{
		{User: "ada", Commit: "c1", At: at("2026-11-20T10:00:00Z")},
		{User: "cleo", Commit: "c2", At: at("2026-11-20T11:00:00Z")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := f.Approvals(t.Context(), "#8", "c2"); err == nil {
		t.Error("the reviews of a pull request that is not there were read")
	}
	if _, err := f.Approvals(t.Context(), "#x", "c2"); err == nil {
		t.Error("#x was taken for a pull request")
	}
}
