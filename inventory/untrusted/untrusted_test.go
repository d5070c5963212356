package untrusted

import (
	"strings"
	"testing"
)

func TestTheTableHoldsWhatItShould(t *testing.T) {
	all := ""
	names := map[string]bool{}
	for _, text := range Texts() {
		if names[text.Name] || text.Text == "" {
			t.Errorf("%q: stands twice, or is empty", text.Name)
		}
		names[text.Name] = true
		all += text.Text + "\x00"
	}
	for _, want := range []string{"'", `"`, "`", "$(", "\n", "\x00", "\u200f", "\u202e", "%", "\x1b", "<script", strings.Repeat("é", Long/2)} {
		if !strings.Contains(all, want) {
			t.Errorf("no text holds %q", want)
		}
	}
}

func TestObeyed(t *testing.T) {
	for text, want := range map[string]rune{
		"plain, é, שלום\n\t": -1, "\ufffd": -1, "a\x1b[2J": 0x1b, "a\u009b": 0x9b, "a\u202eb": 0x202e, "a\u2067": 0x2067, "\r": '\r', "\xff": 0xfffd,
	} {
		if got := Obeyed(text); got != want {
			t.Errorf("%q: %U, want %U", text, got, want)
		}
	}
}
