package inventory

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeyParts(t *testing.T) {
	k := MakeKey("ad", KindRecord, "vm-x.etu.isima.fr", "A")
	if k.System() != "ad" || k.Kind() != "record" || k.Name() != "vm-x.etu.isima.fr/A" {
		t.Errorf("parts of %s: %q %q %q", k, k.System(), k.Kind(), k.Name())
	}
	for _, bad := range []string{"", "ad", "ad/record", "ad//x", "/record/x", "ad/record/"} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("ParseKey(%q) took it", bad)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, c := range []struct {
		key, prefix Key
		want        bool
	}{
		{"ad/record/x/A", "ad", true},
		{"ad/record/x/A", "ad/record/", true},
		{"ad/record/x/A", "ad/record/x/A", true},
		{"ad/records/x", "ad/record", false},
		{"add/record/x", "ad", false},
	} {
		if got := c.key.Under(c.prefix); got != c.want {
			t.Errorf("%s under %s: %v, want %v", c.key, c.prefix, got, c.want)
		}
	}
}

func anyMark(t *rapid.T) Mark {
	m := Mark{
		Key: Key(rapid.String().Draw(t, "key")),
		Owner: Owner{
			Campus:  rapid.StringN(1, 20, -1).Draw(t, "campus"),
			File:    rapid.String().Draw(t, "file"),
			Unit:    rapid.String().Draw(t, "unit"),
			Student: rapid.String().Draw(t, "student"),
		},
		Extra: map[string]string{},
	}
	if v := rapid.String().Draw(t, "vmid"); v != "" {
		m.Extra["vmid"] = v
	}
	return m
}

func TestMarkSurvivesAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMark(t)
		human := StripMark(rapid.String().Draw(t, "human"))
		text := WithMark(human, m)
		got, ok := ParseMark(text + "\n")
		if !ok || got.Key != m.Key || got.Owner != m.Owner || got.Extra["vmid"] != m.Extra["vmid"] {
			t.Fatalf("wrote %q, read %+v %v", text, got, ok)
		}
		if StripMark(text) != human {
			t.Fatalf("human text %q became %q", human, StripMark(text))
		}
		if strings.Count(m.String(), "\n") != 0 {
			t.Fatalf("a mark of several lines: %q", m)
		}
	})
}

func TestDamagedMarkIsNoMark(t *testing.T) {
	for _, text := range []string{
		"", "provost:", "provost: ", "provost: key=a/b/c", "provost: campus=x campus=y",
		"provost: campus=x junk", "provost: campus=%zz", "a provost: campus=x",
	} {
		if m, ok := ParseMark(text); ok {
			t.Errorf("%q was read as %+v", text, m)
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add("provost: campus=isima key=cri/guest/x vmid=20031 file=a.yaml")
	f.Add("text\n\nprovost: campus=%20 a=b")
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := ParseMark(text)
		if !ok {
			return
		}
		again, ok := ParseMark(m.String())
		if !ok || again.Key != m.Key || again.Owner != m.Owner {
			t.Fatalf("%q reads as %+v, which is written as %q", text, m, m)
		}
	})
}
