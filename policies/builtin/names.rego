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
	patterns := like[[change.after.owner.unit, change.after.workspace]]
	login := object.get(change.after.owner, "student", "")
	not is_one_of(patterns, login, change.name)
	not lib.fits(for_student(patterns, login), change.name)
	names_anew(change)
	msg := sprintf(
		"names: %s may not be called so in %s (allowed: %s)",
		[change.name, change.after.owner.unit, concat(", ", patterns)],
	)
}

names_anew(change) if lib.settles(change, "key")

names_anew(change) if lib.settles(change, "name")

# Nearly all names are their pattern with the login filled in. A host name has no
# sign that means something in a pattern, so what equals it fits, and no pattern
# has to be made for each student.
is_one_of(patterns, login, name) if {
	some raw in patterns
	name == replace(raw, "{student}", login)
}

# The login is text, whatever it holds.
for_student(patterns, login) := [pattern |
	some raw in patterns
	pattern := replace(raw, "{student}", glob.quote_meta(login))
]

# By unit and workspace the patterns that decide: looked up once a group and not
# once a machine.
like := {group: entries[0] |
	some group in groups
	subjects := {group[0], sprintf("workspace/%s", [group[1]])}
	entries := [entry.like | some entry in data.limits.names; lib.entry_for(entry, subjects)]
	count(entries) > 0
}

groups := {[change.after.owner.unit, change.after.workspace] |
	some change in input.plan.changes
	change.kind == "guest"
}
