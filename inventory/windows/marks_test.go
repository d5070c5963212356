package windows

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"pgregory.net/rapid"
)

func drawMark(t *rapid.T) inventory.Mark {
	word := rapid.StringMatching(`[ -~éà]{1,300}`)
	owner := inventory.Owner{Campus: word.Draw(t, "campus"), File: word.Draw(t, "file"), Unit: word.Draw(t, "unit")}
	key := inventory.MakeKey("ad", inventory.KindRecord, word.Draw(t, "name"), "A")
	return recordMark(key, owner, "A", word.Draw(t, "value"))
}

// Marks of any length survive being written as texts that Windows takes, in
// any order and among others; and every text of ours is known by its beginning.
func TestMarkTextsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, other := drawMark(t), drawMark(t)
		texts := markTexts(one)
		all := append(append([]string{"v=spf1 -all", "provost-part: x", ""}, texts...), markTexts(other)...)
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		found := false
		for _, m := range parseMarks(all) {
			found = found || reflect.DeepEqual(m, one)
		}
		if !found {
			t.Fatalf("%v is not among %v", one, parseMarks(all))
		}
		for _, text := range texts {
			if len(text) > maxText || !isPrintable(text) {
				t.Fatalf("a text that Windows does not take: %q", text)
			}
			if !isOurs(text, markPrefixes(one.Owner.Campus, one.Key)) {
				t.Fatalf("%q is not known as ours", text)
			}
		}
		if len(texts) > 1 && len(parseMarks(texts[1:])) != 0 {
			t.Fatalf("a mark with a part missing counts: %q", texts[1:])
		}
	})
}

// isOurs is how apply.ps1 knows a text of ours.
func isOurs(text string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text+" ", p) {
			return true
		}
	}
	return false
}

func TestMarkPrefixesAreOfOneKeyOnly(t *testing.T) {
	text := markTexts(recordMark("ad/record/a.etu.isima.fr/AAAA", raphael(), "AAAA", "::1"))[0]
	for _, c := range []struct {
		campus string
		key    inventory.Key
		ours   bool
	}{
		{"isima", "ad/record/a.etu.isima.fr/AAAA", true},
		{"isima", "ad/record/a.etu.isima.fr/A", false},
		{"isi", "ad/record/a.etu.isima.fr/AAAA", false},
	} {
		if got := isOurs(text, markPrefixes(c.campus, c.key)); got != c.ours {
			t.Errorf("%s %s: %v", c.campus, c.key, got)
		}
	}
}

func TestMarkNames(t *testing.T) {
	for name, want := range map[string]string{"@": "_provost", "vm-x": "_provost.vm-x", "20.25": "_provost.20.25"} {
		if got := markName(name); got != want {
			t.Errorf("markName(%q) = %q", name, got)
		}
		if got, ok := markedName(want); !ok || got != name {
			t.Errorf("markedName(%q) = %q, %v", want, got, ok)
		}
	}
	if _, ok := markedName("vm-x"); ok {
		t.Error("vm-x counts as a mark's name")
	}
}

func FuzzParseMarks(f *testing.F) {
	long := raphael()
	long.File = strings.Repeat("x/", 200)
	f.Add(strings.Join(markTexts(recordMark("ad/record/a/A", long, "A", "::1")), "\n"))
	f.Add("provost: campus=isima type=A\nprovost-part: 0 0 1/1 x")
	f.Fuzz(func(t *testing.T, texts string) {
		for _, m := range parseMarks(strings.Split(texts, "\n")) {
			if m.Owner.Campus == "" {
				t.Errorf("a mark of no campus: %v", m)
			}
		}
	})
}
