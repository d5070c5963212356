package sources

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestMembersAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge := &registry{members: map[string][]string{"g": {"Ada"}}}
		p := NewPeople(forge)
		belongs := func(login string, want bool) {
			t.Helper()
			if got, err := p.Belongs(t.Context(), login, "g"); got != want || err != nil {
				t.Errorf("%s belongs: %v, %v", login, got, err)
			}
		}
		belongs("ada", true)
		belongs("bob", false)
		forge.members["g"] = []string{"bob"}
		belongs("ada", true)
		if forge.asked != 1 {
			t.Errorf("asked %d times", forge.asked)
		}
		time.Sleep(keepMembers + time.Second)
		belongs("ada", false)
		belongs("BOB", true)

		// What was known is worth nothing once nobody can tell any more.
		time.Sleep(keepMembers + time.Second)
		forge.failing = errors.New("no answer")
		if got, err := p.Belongs(t.Context(), "bob", "g"); got || err == nil {
			t.Errorf("bob belongs: %v, %v", got, err)
		}
		forge.failing = nil
		if got, err := p.Belongs(t.Context(), "bob", "g"); got || err == nil {
			t.Errorf("the failure was forgotten at once: %v, %v", got, err)
		}
		time.Sleep(keepFailure + time.Second)
		belongs("bob", true)
	})
}

func TestAForgeThatKnowsNobody(t *testing.T) {
	p := NewPeople(WithoutForge(nil))
	if got, err := p.Belongs(t.Context(), "ada", "g"); got || err == nil {
		t.Errorf("belongs: %v, %v", got, err)
	}
	if got, err := p.Pushers(t.Context(), "main", "c"); got != nil || err != nil {
		t.Errorf("pushers: %v, %v", got, err)
	}
}
