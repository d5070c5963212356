# METADATA
# title: Names
# description: |
#   What the machines of a unit may be called. Patterns come from
#   data.limits.names: the first entry that fits the unit decides.
package provost.names

import data.provost.lib

# METADATA
# title: Name not allowed
# description: A machine is made, taken over or renamed under a name that its unit may not use.
deny contains {"msg": msg, "id": change.id, "meta": rego.metadata.rule()} if {
	some change in input.plan.changes
	change.kind == "guest"
	patterns := like[lib.whose(change)]
	names_anew(change)
	login := object.get(change.after.owner, "student", "")
	not lib.fits(for_student(patterns, login), change.name)
	msg := sprintf(
		"names: %s may not be called so in %s (allowed: %s)",
		[change.name, change.after.owner.unit, concat(", ", patterns)],
	)
}

names_anew(change) if lib.settles(change, "key")

names_anew(change) if lib.settles(change, "name")

# The login is text, whatever it holds.
for_student(patterns, login) := [pattern |
	some raw in patterns
	pattern := replace(raw, "{student}", glob.quote_meta(login))
]

groups := {lib.whose(change) | some change in input.plan.changes; change.kind == "guest"}

like := {group: entries[0] |
	some group in groups
	entries := [entry.like | some entry in data.limits.names; lib.entry_for(entry, group)]
	count(entries) > 0
}
