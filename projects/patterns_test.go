package projects

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestQuickPatternsSayTheSame holds what is matched letter by letter against the
// expressions that stand in the JSON Schema.
func TestQuickPatternsSayTheSame(t *testing.T) {
	quick := map[string]*pattern{"host": hostLike, "login": loginLike, "name": nameLike, "unit": unitLike}
	texts := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("azAZ09-._é\n/ ")), 0, 8, -1),
		rapid.Map(rapid.IntRange(28, 70), func(n int) string { return strings.Repeat("a", n) }),
		rapid.Map(rapid.IntRange(60, 66), func(n int) string { return "a." + strings.Repeat("b", n) + ".c" }),
	)
	matched := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := texts.Draw(t, "text")
		for name, p := range quick {
			if p.match(s) != p.re.MatchString(s) {
				t.Fatalf("%q is like a %s: %v, the expression says otherwise", s, name, p.match(s))
			}
			if p.match(s) {
				matched[name]++
			}
		}
	})
	for name := range quick {
		if matched[name] == 0 {
			t.Errorf("nothing was like a %s", name)
		}
	}
}

func TestNumbersAreLikeTheirSchema(t *testing.T) {
	numbers := &shape{kind: whole}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 0, 12, -1),
			rapid.StringOfN(rapid.RuneFrom([]rune("01-+_. é")), 0, 4, -1)).Draw(t, "text")
		if got := numbers.checkNumber(place{file: &file{}}, s); got != digits.MatchString(s) {
			t.Fatalf("%q is a number: %v", s, got)
		}
	})
}
