package gitlab

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
	"github.com/provost-dev/provost/sources/forge/forgetest"
)

func FuzzReplies(f *testing.F) {
	forgetest.Replies(f, func(t testing.TB, c forge.Config) sources.Forge {
		client, err := New(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		client.journal.Wait = func(context.Context, time.Duration) error { return errors.New("not again") }
		t.Cleanup(func() { client.Close() })
		return client
	})
}
