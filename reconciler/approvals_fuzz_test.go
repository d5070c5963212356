package reconciler

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whatever stands in an approval's file, it approves nothing but the hash that
// the file is called by, and nothing for ever.
func FuzzApprovalFile(f *testing.F) {
	held := heldBack("a", "b")
	f.Add([]byte(`{"hash":"` + held.Hash + `","by":"camille","at":"2026-11-21T09:00:00Z"}`))
	f.Add([]byte(`{"hash":"` + held.Hash + `","by":"camille","at":"2026-11-21T09:00:00Z","left":["a"]}`))
	f.Add([]byte(`{"hash":"` + held.Hash + `","request":"!7"}`))
	f.Add([]byte(`{"hash":"../../etc/passwd"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		if err := os.WriteFile(filepath.Join(dir, held.Hash+".json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		a := NewApprovals(dir, func() time.Time { return now })
		if one, ok := a.find(heldBack("c")); ok && len(one.Left) == 0 {
			t.Errorf("%s approves another plan: %+v", data, one)
		}
		now = now.AddDate(300, 0, 0)
		if _, ok := a.find(held); ok && a.all()[0].At.Year() < 2300 {
			t.Errorf("%s counts for ever", data)
		}
	})
}
