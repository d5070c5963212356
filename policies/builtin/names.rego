# METADATA
# title: Names
# description: |
#   What the machines of a unit may be called. Patterns come from
#   data.limits.names: the first entry that fits the unit decides. Changes come in
#   groups, with their machines by the pattern that these follow; nearly always it
#   is one of the limits', and then no machine is looked at by itself.
package provost.names

import data.provost.lib

# METADATA
# title: Name not allowed
# description: A machine is made, taken over or renamed under a name that its unit may not use.
deny contains {"msg": msg, "id": id, "meta": rego.metadata.rule()} if {
	some change in input.plan.changes
	patterns := like[[change.after.owner.unit, change.after.workspace]]
	names_anew(change)
	some pattern, machines in change.machines
	not pattern in patterns
	some i, id in machines.ids
	name := split(id, "/")[2]
	not lib.fits(for_student(patterns, machines.students[i]), name)
	msg := sprintf(
		"names: %s may not be called so in %s (allowed: %s)",
		[name, change.after.owner.unit, concat(", ", patterns)],
	)
}

names_anew(change) if lib.settles(change, "key")

names_anew(change) if lib.settles(change, "name")

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

groups := {[change.after.owner.unit, change.after.workspace] | some change in input.plan.changes}
