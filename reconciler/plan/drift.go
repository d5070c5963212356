package plan

import (
	"maps"
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// Drifting says what is known, and wanted, of drift: of fields that are not as
// declared though no commit asked for that.
//
// Whether one asked can be seen neither on the live side nor in the declaration:
// a machine with 8 GiB of memory where 4 are declared was either given 4 by a
// commit or 8 by hand. So, for the fields that are not simply corrected, a note is
// kept of what was last true ([Truths]), and a difference is drift while the
// declaration is still what it was then. Where there is no note, because the
// fields were not of interest before or the notes were lost, it is drift too, and
// stays so until a commit declares something else: what is to be reported only
// must not be overwritten because a file was lost. What that can cost is a commit
// which is reported as drift where it came together with the loss; a person's
// "provost apply" corrects that, as it does with all that is reported.
//
// A note is a digest for each field and key. The mark on the thing itself could
// hold it too, but then each change of a declaration would write to all of them,
// and whoever edits a machine by hand could say that his edit was declared.
type Drifting struct {
	// Modes are the fields of an owner's things of a kind that are reported or
	// ignored, by the name that [inventory.DriftField] gives them.
	Modes func(o inventory.Owner, kind string) map[string]string
	Was   Truths
	// Stood reports whether a thing was as declared when the last pass ended, and
	// nothing was declared since.
	Stood func(inventory.Key) bool
	// Corrects makes what would be reported be corrected: a person asked for it.
	Corrects bool
}

// Existence is the field of a thing that drifted by not being there any more. It is
// always made again: that is what declaring it means.
const Existence = "existence"

// Drifted is a field that is not as declared though no commit asked for that.
type Drifted struct {
	Key       inventory.Key   `json:"key"`
	Owner     inventory.Owner `json:"owner,omitzero"`
	Field     string          `json:"field"`
	Declared  string          `json:"declared"`
	Live      string          `json:"live"`
	Corrected bool            `json:"corrected,omitempty"` // a step of the plan puts it right
}

// Drift takes what drifted and is not to be corrected out of a plan, and notes
// what drifted. What a step no longer changes is in its After as it is live, so
// that rules and quotas see what there will be.
func Drift(p Plan, how Drifting) Plan {
	own := false // steps are large, and copied only where one changes
	for i := range p.Steps {
		s := &p.Steps[i]
		var left []string
		switch {
		case s.Blocked():
		case s.Action == inventory.Create && how.Stood(s.Key):
			p.Drift = append(p.Drift, Drifted{Key: s.Key, Owner: s.Owner, Field: Existence, Corrected: true})
		case s.Action == inventory.Update && s.Before.Attrs["raw"] == "": // a half-made one is finished, not corrected
			left = how.sort(&p, *s)
		}
		if len(left) == 0 {
			continue
		}
		if !own {
			p.Steps, own = slices.Clone(p.Steps), true
		}
		p.Steps[i] = leave(*s, left)
	}
	if own {
		p.Steps = slices.DeleteFunc(p.Steps, func(s Step) bool {
			return s.Action == inventory.Update && len(s.Fields) == 0 && !s.Blocked()
		})
		keepPlannedNeeds(p.Steps)
	}
	return p
}

// sort notes the drifted fields of a step and returns those to be left alone.
func (how Drifting) sort(p *Plan, s Step) (left []string) {
	modes, stood := how.Modes(s.Owner, s.Key.Kind()), how.Stood(s.Key)
	for _, attr := range s.Fields {
		field := inventory.DriftField(s.Key.Kind(), attr)
		mode := modes[field]
		if mode == inventory.DriftReport && how.Corrects {
			mode = ""
		}
		drifted := stood
		if mode != "" {
			drifted = !how.Was.asked(s, attr)
		}
		if field == "" || !drifted {
			continue
		}
		if mode != "" {
			left = append(left, attr)
		}
		if mode != inventory.DriftIgnore {
			p.Drift = append(p.Drift, Drifted{Key: s.Key, Owner: s.Owner, Field: attr,
				Declared: s.After.Attrs[attr], Live: s.Before.Attrs[attr], Corrected: mode == ""})
		}
	}
	return left
}

// leave takes fields out of a step.
func leave(s Step, fields []string) Step {
	after := s.After.Clone()
	for _, f := range fields {
		if live, ok := s.Before.Attrs[f]; ok {
			after.Attrs[f] = live
		} else {
			delete(after.Attrs, f)
		}
	}
	s.After = &after
	s.Fields = slices.DeleteFunc(slices.Clone(s.Fields), func(f string) bool { return slices.Contains(fields, f) })
	return s
}

// Truth is what is noted of one thing.
type Truth struct {
	// Fields are those of interest when it was noted, sorted.
	Fields []string `json:"fields"`
	// True are digests of what attributes of these fields were declared as when
	// they were last so, or when they were first looked at.
	True map[string]string `json:"true"`
}

// Truths are the notes on all things of which any field is not simply corrected.
type Truths map[inventory.Key]Truth

// asked reports whether a commit asked for the change of an attribute.
func (t Truths) asked(s Step, attr string) bool {
	was, ok := t[s.Key]
	if !ok {
		was = t[s.Before.Key] // before it was renamed
	}
	if noted, ok := was.True[attr]; ok {
		return noted != truthOf(s.After.Attrs[attr])
	}
	return slices.Contains(was.Fields, inventory.DriftField(s.Key.Kind(), attr)) // it was not declared then
}

// Learn is what is known once a pass has seen both sides. The notes on what is no
// longer desired go only where all of both sides was read. The receiver is not
// changed.
func (t Truths) Learn(desired, live []inventory.Resource, modes func(inventory.Owner, string) map[string]string, whole bool) Truths {
	learnt := Truths{}
	if !whole {
		maps.Copy(learnt, t)
	}
	for want, have := range pairs(newIndex(desired), newIndex(live)) {
		if want == nil {
			continue
		}
		fields := modes(want.Owner, want.Key.Kind())
		was, known := t[want.Key]
		if !known {
			was, known = t[want.Was]
		}
		switch {
		case len(fields) == 0:
			delete(learnt, want.Key)
		case have != nil && !have.Owner.IsZero() && have.Attrs["raw"] == "":
			learnt[want.Key] = was.learn(want, have, fields)
		case known:
			learnt[want.Key] = was
		}
	}
	return learnt
}

// Done is what is known once steps were carried out: whoever changes what they
// wrote before the next pass looks must not be taken for the commit.
func (t Truths) Done(steps []Step, modes func(inventory.Owner, string) map[string]string) Truths {
	known := maps.Clone(t)
	if known == nil {
		known = Truths{}
	}
	for _, s := range steps {
		if s.After == nil || Retires(s.Change) {
			continue
		}
		fields := modes(s.Owner, s.Key.Kind())
		if len(fields) == 0 {
			continue
		}
		now := Truth{Fields: slices.Sorted(maps.Keys(fields)), True: maps.Clone(known[s.Key].True)}
		if now.True == nil {
			now.True = map[string]string{}
		}
		for attr, value := range s.After.Attrs {
			wrote := s.Action == inventory.Create || s.Action == inventory.Replace || slices.Contains(s.Fields, attr)
			if wrote && fields[inventory.DriftField(s.Key.Kind(), attr)] != "" {
				now.True[attr] = truthOf(value)
			}
		}
		known[s.Key] = now
	}
	return known
}

func (t Truth) learn(want, have *inventory.Resource, fields map[string]string) Truth {
	now := Truth{Fields: slices.Sorted(maps.Keys(fields)), True: map[string]string{}}
	for attr, value := range want.Attrs {
		field := inventory.DriftField(want.Key.Kind(), attr)
		if fields[field] == "" {
			continue
		}
		noted, known := t.True[attr]
		switch {
		case have.Attrs[attr] == value:
			now.True[attr] = truthOf(value)
		case known:
			now.True[attr] = noted
		case !slices.Contains(t.Fields, field):
			now.True[attr] = truthOf(value) // nobody can tell what was true before
		}
	}
	return now
}

// Equal reports whether two notes say the same.
func (t Truths) Equal(other Truths) bool {
	return maps.EqualFunc(t, other, func(a, b Truth) bool { return slices.Equal(a.Fields, b.Fields) && maps.Equal(a.True, b.True) })
}

// truthOf is the digest of a value. It tells values apart, and not much more.
func truthOf(value string) string { return digest([]byte(value))[:16] }

// Reported are the drifted fields that stay as they are.
func (p Plan) Reported() []Drifted {
	return slices.DeleteFunc(slices.Clone(p.Drift), func(d Drifted) bool { return d.Corrected })
}
