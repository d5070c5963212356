package reconciler

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/provost-dev/provost/inventory"
)

// The sentences of commit statuses and badges stand in this file, so that they can
// be said in another language; statuses.go chooses among them. The reasons that
// package plan and the rules give are theirs.
const (
	msgApplying   = "applying %s"
	msgValid      = "%d files, %d machines"
	msgValidWarn  = "%d files, %d machines; warning: %s"
	msgProblems   = "%s: %s"
	msgInSync     = "%s: in sync"
	msgNothing    = "nothing declared"
	msgKept       = "%s; %s kept, the first until %s"
	msgHeld       = "%d held back, approve %s: %s"
	msgApproved   = "%s; approved by %s"
	msgRetire     = "retire"
	msgRestart    = "restart"
	msgNoDay      = "a day that no mark names"
	msgNoChange   = "changes nothing"
	msgBlocked    = "%d blocked: %s"
	msgUnread     = "not read: %s"
	msgPolicyOK   = "no rule objects"
	msgPolicyWarn = "%s: %s"
	msgPolicyMore = "%s (and %d more)"
	msgApplied    = "%s: applied"
	msgDrifted    = "%s; %s drifted: %s"
	msgFailed     = "%d of %d changes failed: %s: %s"
	msgSeen       = "seen; the answer follows"
	msgPaused     = "paused: %s"
	msgWaiting    = "%d of %d changes wait: %s"
	msgStopped    = "stopped after %d of %d changes; the next pass goes on"
	msgSuperseded = "superseded by %s after %d of %d changes"
	msgGivenUp    = "given up: the branch is at %s, and no open request is at this commit"
	msgSoFar      = "while %s is applied: %s"
)

// Why a change was not made, as far as the reconciler itself says so.
const (
	msgUnjudged   = "cannot judge, so everything is denied: %v"
	msgNoSystem   = "no system %q is configured"
	msgNoPrune    = "prune is off for %s"
	msgModeOff    = "%s is only observed (apply: off)"
	msgModeManual = "%s waits for 'provost apply' (apply: manual)"
	msgNeeds      = "waits for %s"
	msgNoAnswer   = "the system gave no answer for it"
	msgNoEnd      = "it did not end when provost stopped"
	msgFault      = "cannot go on with %s: a fault in provost itself; its log says where"
	msgNotStarted = "stopped before it was started"
	msgNotBegun   = "a newer commit came before it was started"
	msgShut       = "its time was over before it could begin; it waits for the next one"
	msgNoWindow   = "no window of campus.yaml names reboot"
	msgEndDoubted = "the end of %s (%s) was written down only lately: it needs an approval until %s, and none from then on"
	msgCircle     = "it needs itself, through other changes"
)

// Who may ask for what.
const (
	msgOwnersTitle = "A file is changed by those whom its owners name"
	msgRulesBroken = "the branch's own rules cannot be read, so nothing may be changed: %s"
	msgNotBelieved = "not applied: what %s declares stands"
	msgFromFork    = "%s (as declared: a fork is not shown what is live)"
	msgForkHeld    = "%d held back; a fork's plan cannot be approved, the branch's can once it is merged: %s"
)

// Words of the badge.
const (
	msgHealthNone    = "not declared"
	msgHealthWorking = "working"
	msgHealthFailed  = "%d failed"
	msgHealthBlocked = "%d blocked"
	msgHealthUnread  = "unread"
)

// longest is what every forge takes for a description: GitHub's limit.
const longest = 140

func say(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// ownPort is our end of a connection in an error of package net. It is another
// one each time, and a status that differs is written.
var ownPort = regexp.MustCompile(`\b(tcp|udp) \S+->`)

// clip shortens a description to what every forge takes, at a rune's edge and on
// one line. What is not UTF-8 would come back from a forge as something else, and
// what nobody sees is left out: whoever reads a status reads it in a terminal, too.
func clip(s string) string {
	s = ownPort.ReplaceAllString(strings.ToValidUTF8(s, "?"), "$1 ")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }), " ")
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return s
}

func plural(n int, kind string) string {
	if n == 1 || kind == inventory.KindPower {
		return fmt.Sprintf("%d %s", n, kind)
	}
	return fmt.Sprintf("%d %ss", n, kind)
}
