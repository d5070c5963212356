package forgetest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

// Reviews are the words of a forge that keeps reviews of pull requests.
type Reviews struct {
	Authorization string // what stands before the token
	Path          string // of the reviews of pull request 7 of campus/infra
	Object        string // the state of a review that asks for changes
	Comment       string // of one that only says something
	Asked         string // of one that was asked for and not given yet
	Dismissed     string // the end of a review by eve that was taken back: `"state":…`
	Open          func(url, tokenFile string) (sources.Approving, error)
}

// RunReviews holds a forge to whose word counts: the last of each reviewer,
// whatever page it stands on; a comment is no word.
func RunReviews(t *testing.T, words Reviews) {
	pages := []string{
		fmt.Sprintf(`[{"user":{"login":"ada"},"state":"APPROVED","commit_id":"c1","submitted_at":"2026-11-20T10:00:00Z"},
		  {"user":{"login":"bob"},"state":"APPROVED","commit_id":"c1","submitted_at":"2026-11-20T10:01:00Z"},
		  {"user":{"login":"eve"},"commit_id":"c1",%s},
		  {"user":null,"state":%q},
		  {"user":{"login":"cleo"},"state":%q,"commit_id":"c1"}]`, words.Dismissed, words.Asked, words.Object),
		fmt.Sprintf(`[{"user":{"login":"bob"},"state":%q,"commit_id":"c2"},
		  {"user":{"login":"ada"},"state":%q,"commit_id":"c2"},
		  {"user":{"login":"cleo"},"state":"APPROVED","commit_id":"c2","submitted_at":"2026-11-20T11:00:00Z"}]`, words.Object, words.Comment),
	}
	mux := http.NewServeMux()
	front := NewFront(t, words.Authorization, mux)
	mux.HandleFunc("GET "+words.Path, func(w http.ResponseWriter, r *http.Request) {
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
	if err := os.WriteFile(token, []byte(Token), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := words.Open(front.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Approvals(t.Context(), "#7", "c2")
	if err != nil {
		t.Fatal(err)
	}
	want := []reconciler.Approval{
		{User: "ada", Commit: "c1", At: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)},
		{User: "cleo", Commit: "c2", At: time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, id := range []string{"#8", "#x"} {
		if _, err := f.Approvals(t.Context(), id, "c2"); err == nil {
			t.Errorf("the reviews of %s were read, which is no pull request", id)
		}
	}
}
