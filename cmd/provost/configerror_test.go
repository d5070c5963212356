package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongConfigSaysWhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "provost.yaml")
	text := "campus: x\ninterval: soon\nlease_tim: 9s\napprovers: {a: b}\nguard: {count: many}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readConfig(path)
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{
		path + ": line 2, column 11: this is no duration, such as 30s or 2m",
		path + `: line 3, column 1: there is no key "lease_tim" here; README.md has all of them`,
		path + ": line 4, column 12: a list belongs here",
		path + ": line 5, column 16: a value of type int belongs here",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "soon") || strings.Contains(err.Error(), "main.") {
		t.Errorf("tells values or types: %v", err)
	}
}
