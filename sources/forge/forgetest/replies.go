package forgetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

// Replies fuzzes what a forge may answer: whatever it is, a client comes to an end
// without a panic, and what it makes of it can be used. open makes a client.
func Replies(f *testing.F, open func(t testing.TB, c forge.Config) sources.Forge) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	f.Add(200, []byte(`[{"iid":1,"number":1,"sha":"`+hash+`","title":"x","author":{"username":"a"},"user":{"login":"a"},"head":{"sha":"`+hash+`","ref":"b","repo":{"id":1}},"base":{"ref":"main"}}]`))
	f.Add(200, []byte(`{"id":7,"version":"1.26.0","default_branch":"main","total_count":1,"statuses":[{"context":"provost/plan","state":"success"}]}`))
	f.Add(200, []byte(`[null,{"user":null,"head":null,"push_data":null,"status":{}}]`))
	f.Add(404, []byte(`{"message":{"a":["b"]}}`))
	f.Add(502, []byte("<html>\x1b[2J"))
	token := filepath.Join(f.TempDir(), "token")
	if err := os.WriteFile(token, []byte(Token), 0o600); err != nil {
		f.Fatal(err)
	}
	var code atomic.Int32
	var body atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(code.Load()))
		w.Write(*body.Load()) //nolint:errcheck // the client went away
	}))
	f.Cleanup(server.Close)
	client := open(f, forge.Config{URL: server.URL, Project: "campus/infra", Branch: "main", TokenFile: token, Timeout: 5 * time.Second})
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		code.Store(int32(200 + ((status-200)%400+400)%400)) // 200 to 599
		body.Store(&data)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		requests, _ := client.Requests(ctx)
		for _, r := range requests {
			if r.ID == "" || r.Ref == "" {
				t.Errorf("a request that cannot be fetched: %+v", r)
			}
		}
		client.SetStatus(ctx, hash, "main", reconciler.Status{Context: "provost/plan", State: reconciler.StatusSuccess}) //nolint:errcheck // any answer is one
		if directory, ok := client.(sources.Directory); ok {
			directory.Members(ctx, "group/sub")  //nolint:errcheck // the same
			directory.Pushers(ctx, "main", hash) //nolint:errcheck // the same
		}
		if approving, ok := client.(sources.Approving); ok {
			approving.Approvals(ctx, "!1", hash) //nolint:errcheck // the same
		}
	})
}
