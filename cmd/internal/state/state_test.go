package state

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t testing.TB, s *Store, shelf string) map[string]string {
	t.Helper()
	values, err := s.Shelf(shelf).Load()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name, value := range values {
		texts[name] = string(value)
	}
	return texts
}

func closed(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A store is a map that outlives its process.
func TestAStoreIsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		want := map[string]map[string]string{"a": {}, "b": {}}
		for range rapid.IntRange(1, 4).Draw(rt, "processes") {
			s := open(t, dir)
			for range rapid.IntRange(0, 12).Draw(rt, "saves") {
				shelf := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "shelf")
				name := rapid.SampledFrom([]string{"x", "y", "a longer/name"}).Draw(rt, "name")
				value := rapid.SliceOf(rapid.Byte()).Draw(rt, "value")
				if rapid.Bool().Draw(rt, "remove") {
					s.Shelf(shelf).Save(name, nil)
					delete(want[shelf], name)
				} else {
					s.Shelf(shelf).Save(name, append([]byte{}, value...))
					want[shelf][name] = string(value)
				}
			}
			closed(t, s)
		}
		s := open(t, dir)
		defer s.Close()
		for shelf, values := range want {
			if got := load(t, s, shelf); !maps.Equal(got, values) {
				rt.Fatalf("shelf %s holds %q, want %q", shelf, got, values)
			}
		}
	})
}

// fill makes a file with some hundred values in it and gives its path.
func fill(t testing.TB, dir string) string {
	t.Helper()
	s := open(t, dir)
	for i := range 300 {
		s.Shelf("passes").Save(fmt.Sprint("pass-", i), bytes.Repeat([]byte{byte(i)}, 40*(i%17)))
	}
	closed(t, s)
	return filepath.Join(dir, fileName)
}

// However a file is damaged, the daemon starts: with what is left of it, or with
// nothing and the file set aside.
func TestADamagedFileStopsNobody(t *testing.T) {
	whole, err := os.ReadFile(fill(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"empty":           func([]byte) []byte { return []byte{} },
		"text":            func([]byte) []byte { return []byte("this is not a database\n") },
		"cut short":       func(b []byte) []byte { return b[:64<<10] }, // the values take 96 KB
		"cut to a page":   func(b []byte) []byte { return b[:4096] },
		"zeros":           func(b []byte) []byte { return make([]byte, len(b)) },
		"zeros after two": func(b []byte) []byte { return append(b[:8192:8192], make([]byte, len(b)-8192)...) },
		"no meta pages":   func(b []byte) []byte { return append(make([]byte, 8192), b[8192:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			if err := os.WriteFile(path, damage(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			s.Shelf("passes").Save("new", []byte("value"))
			closed(t, s)
			s = open(t, dir)
			defer s.Close()
			if got := load(t, s, "passes"); len(got) != 1 || got["new"] != "value" {
				t.Errorf("after the damage it holds %d values", len(got))
			}
			aside, _ := filepath.Glob(path + ".damaged-*")
			if name == "empty" { // as good as none
				return
			}
			if len(aside) != 1 || !strings.Contains(log.String(), "set aside") || !strings.Contains(log.String(), aside[0]) {
				t.Errorf("set aside: %q, log %s", aside, &log)
			}
		})
	}
}

// The same for bytes that flip anywhere.
func TestFlippedBytesStopNobody(t *testing.T) {
	whole, err := os.ReadFile(fill(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		data := bytes.Clone(whole)
		for range rapid.IntRange(1, 8).Draw(rt, "flips") {
			data[rapid.IntRange(0, len(data)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		if err := os.WriteFile(filepath.Join(dir, fileName), data, 0o600); err != nil {
			rt.Fatal(err)
		}
		s, err := Open(dir, quiet)
		if err != nil {
			rt.Fatal(err)
		}
		if _, err := s.Shelf("passes").Load(); err != nil {
			rt.Errorf("it was opened and cannot be read: %v", err)
		}
		s.Shelf("passes").Save("new", []byte("value"))
		if err := s.Close(); err != nil {
			rt.Error(err)
		}
	})
}

func TestWhatIsNoFileIsNotMovedAway(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, quiet); err == nil || !strings.Contains(err.Error(), fileName) {
		t.Errorf("error %v", err)
	}
}

// Nothing that passes for sound may stop, or hang, what opens it.
func FuzzSound(f *testing.F) {
	whole, err := os.ReadFile(fill(f, f.TempDir()))
	if err != nil {
		f.Fatal(err)
	}
	empty, err := os.ReadFile(func() string { dir := f.TempDir(); closed(f, open(f, dir)); return filepath.Join(dir, fileName) }())
	if err != nil {
		f.Fatal(err)
	}
	if sound(whole) != nil || sound(empty) != nil {
		f.Fatal("what bbolt wrote is not sound:", sound(whole), sound(empty))
	}
	f.Add(empty)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if sound(data) != nil {
			return
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		load(t, s, "passes")
		s.Shelf("passes").Save("new", []byte("value"))
		closed(t, s)
	})
}
