package github

import (
	"log/slog"
	"testing"

	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge/forgetest"
)

func TestApprovals(t *testing.T) {
	forgetest.RunReviews(t, forgetest.Reviews{
		Authorization: "Bearer ", Path: "/api/v3/repos/campus/infra/pulls/7/reviews",
		Object: "CHANGES_REQUESTED", Comment: "COMMENTED", Asked: "PENDING", Dismissed: `"state":"DISMISSED"`,
		Open: func(url, tokenFile string) (sources.Approving, error) {
			f, err := New(Config{URL: url, Project: "campus/infra", TokenFile: tokenFile}, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Cleanup(func() { f.Close() })
			}
			return f, err
		},
	})
}
