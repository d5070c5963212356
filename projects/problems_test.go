package projects

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestProblems holds every refusal to its golden text: place, line, hint.
func TestProblems(t *testing.T) {
	archives, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, path := range archives {
		t.Run(filepath.Base(path), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c := Load(archiveTree(t, archive))
			for _, p := range c.Problems() {
				if p.Hint == "" {
					t.Errorf("%s: no hint says what to do", p)
				}
			}
			golden(t, strings.TrimSuffix(path, "txtar")+"golden", showProblems(c.Problems())+showFiles(c.Desired(nil).Files))
		})
	}
}

func showProblems(list []Problem) string {
	var b strings.Builder
	for _, p := range list {
		level := ""
		if p.Warning {
			level = "warning: "
		}
		fmt.Fprintf(&b, "%s: %s%s\n", p.Place(), level, p.Message)
		if p.Excerpt != "" {
			fmt.Fprintf(&b, "\t%s\n\t%s^\n", p.Excerpt, strings.Repeat(" ", p.Column-1))
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "\thint: %s\n", p.Hint)
		}
	}
	return b.String()
}

func showFiles(files map[string]string) string {
	var b strings.Builder
	b.WriteString("\nfrozen:\n")
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if files[path] != "" {
			fmt.Fprintf(&b, "\t%s: %s\n", path, files[path])
		}
	}
	return b.String()
}
