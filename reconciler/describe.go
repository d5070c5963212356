package reconciler

import (
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// describeTotals reads "62 guests, 124 records, 60 filters".
func describeTotals(totals map[string]int) string {
	var parts []string
	for _, kind := range []string{inventory.KindGuest, inventory.KindRecord, inventory.KindReservation, inventory.KindFilter} {
		if n := totals[kind]; n > 0 {
			parts = append(parts, plural(n, kind))
		}
	}
	if len(parts) == 0 {
		return msgNothing
	}
	return strings.Join(parts, ", ")
}

// describedVerbs are what steps do, in the order in which they are told.
var describedVerbs = []string{
	string(inventory.Create), string(inventory.Update), string(inventory.Replace), string(inventory.Adopt), msgRestart, msgRetire, string(inventory.Delete),
}

// describeSteps reads "create 62 guests, 124 records; update 1 guest".
func describeSteps(steps []plan.Step) string {
	counts := map[string]map[string]int{}
	for _, s := range steps {
		verb, kind := string(s.Action), s.Key.Kind()
		switch {
		case plan.Retires(s.Change):
			verb = msgRetire
		case kind == inventory.KindReboot:
			verb, kind = msgRestart, inventory.KindGuest
		}
		if counts[verb] == nil {
			counts[verb] = map[string]int{}
		}
		counts[verb][kind]++
	}
	var parts []string
	for _, verb := range describedVerbs {
		var kinds []string
		for _, kind := range []string{inventory.KindGuest, inventory.KindPower, inventory.KindRecord, inventory.KindReservation, inventory.KindFilter} {
			if n := counts[verb][kind]; n > 0 {
				kinds = append(kinds, plural(n, kind))
			}
		}
		if len(kinds) > 0 {
			parts = append(parts, verb+" "+strings.Join(kinds, ", "))
		}
	}
	if len(parts) == 0 {
		return plural(len(steps), "change")
	}
	return strings.Join(parts, "; ")
}

// describeKept adds how many retired guests are kept, and which day is the first
// on which one of them goes.
func describeKept(text string, kept []plan.Kept) string {
	if len(kept) == 0 {
		return text
	}
	first := msgNoDay
	for _, k := range kept {
		if k.Until != "" && (first == msgNoDay || k.Until < first) {
			first = k.Until
		}
	}
	return say(msgKept, text, plural(len(kept), "retired guest"), first)
}

// describeDrift adds the fields that drifted and stay as they are.
func describeDrift(text string, p plan.Plan) string {
	left := p.Reported()
	if len(left) == 0 {
		return text
	}
	var names []string
	for _, d := range left {
		names = append(names, string(d.Key)+" "+d.Field)
	}
	return say(msgDrifted, text, plural(len(left), "field"), strings.Join(names, ", "))
}
