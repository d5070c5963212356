package sources

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRecall: what stands in the state directory names one commit, or is as good as lost.
func FuzzRecall(f *testing.F) {
	f.Add([]byte("believed 0123456789abcdef0123456789abcdef01234567 ruled -\n"))
	f.Add([]byte("believed  x free since"))
	f.Add([]byte("\x00"))
	file := filepath.Join(f.TempDir(), "believed")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		v := &Vetted{vetting: Vetting{File: file, Log: slog.New(slog.DiscardHandler)}}
		commit, ruled := v.recall()
		if strings.ContainsAny(commit, " \n\t") || ruled && commit == "" || commit != "" && !strings.HasPrefix(strings.TrimSpace(string(data)), remembers) {
			t.Errorf("%q, %v", commit, ruled)
		}
	})
}
