package projects

import "github.com/provost-dev/provost/inventory"

// Drift says what becomes of fields that are not as declared though no commit
// asked for that. What is said nearest wins: the unit's field, the unit's kind,
// the campus's field, the campus's kind.
type Drift struct {
	campus map[string]map[string]string // by kind and field: report or ignore
	units  map[string]map[string]map[string]string
}

// Modes are the fields of a unit's things of a kind that are not simply
// corrected, by the names of [inventory.DriftFields]. Nobody writes to the map.
func (d Drift) Modes(unit, kind string) map[string]string {
	if own, ok := d.units[unit]; ok {
		return own[kind]
	}
	return d.campus[kind]
}

// Corrects reports whether everything is simply corrected.
func (d Drift) Corrects() bool { return len(d.campus) == 0 && len(d.units) == 0 }

var driftModes = []string{inventory.DriftCorrect, inventory.DriftReport, inventory.DriftIgnore}

// driftKinds are the kinds that have fields, in the order in which they are shown.
var driftKinds = []string{inventory.KindGuest, inventory.KindPower, inventory.KindRecord, inventory.KindReservation, inventory.KindFilter}

func makeDriftShape() *shape {
	mode := &shape{kind: text, enum: driftModes}
	drift := &shape{kind: object, doc: "what becomes of fields that somebody changed behind provost's back, by kind and field: " +
		"correct (the default), report or ignore"}
	for _, kind := range driftKinds {
		fields := &shape{kind: object, doc: "one of the three for all fields, or {field: one of the three}", short: mode}
		for _, field := range inventory.DriftFields(kind) {
			fields.keys = append(fields.keys, key{field, mode, false})
		}
		drift.keys = append(drift.keys, key{kind, fields, false})
	}
	return drift
}

// readDrift reads drift:, on top of what is said further away. It is nil where
// everything is corrected.
func readDrift(v value, far map[string]map[string]string) map[string]map[string]string {
	modes := map[string]map[string]string{}
	for _, kind := range driftKinds {
		said, fields := v.get(kind), map[string]string{}
		for _, field := range inventory.DriftFields(kind) {
			mode := far[kind][field]
			if said.text != "" {
				mode = said.text
			} else if own := said.get(field); own.set() {
				mode = own.text
			}
			if mode != "" && mode != inventory.DriftCorrect {
				fields[field] = mode
			}
		}
		if len(fields) > 0 {
			modes[kind] = fields
		}
	}
	if len(modes) == 0 {
		return nil
	}
	return modes
}

// drift is the campus's, with what its units say otherwise.
func (c *Campus) drift() Drift {
	d := Drift{units: map[string]map[string]map[string]string{}}
	if c.settings == nil {
		return d
	}
	d.campus = c.settings.drift
	for _, u := range c.units {
		if u.ownDrift {
			d.units[u.owner.Unit] = u.drift
		}
	}
	return d
}

// readDrift reads a unit's own.
func (c *Campus) readDrift(u *unit, v value) {
	if u.ownDrift = v.get("drift").set() && c.settings != nil; u.ownDrift {
		u.drift = readDrift(v.get("drift"), c.settings.drift)
	}
}
