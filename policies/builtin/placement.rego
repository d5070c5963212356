# METADATA
# title: Placement
# description: |
#   Where the machines and records of a unit may be. Lists come from
#   data.limits.allow: for each kind of list the first entry that fits the unit
#   decides, and what no entry lists is free.
package provost.placement

import data.provost.lib

# METADATA
# title: Place not allowed
# description: The change puts a machine or a record where its unit may not have one.
deny contains {"msg": msg, "id": change.id, "meta": rego.metadata.rule()} if {
	some change in input.plan.changes
	lists := allowed[lib.whose(change)]
	some asked in asks(change)
	patterns := lists[asked.list]
	not fits_any(patterns, asked.names)
	msg := sprintf(
		"placement: %s may not use %s %s (allowed: %s)",
		[change.after.owner.unit, asked.what, asked.names[0], listed(patterns)],
	)
}

listed([]) := "none"

listed(patterns) := concat(", ", patterns) if count(patterns) > 0

# What a change asks for: the list that decides, the word for it, and the names it goes by.
asks(change) := guest_asks(change) if {
	change.kind == "guest"
	change.after
}

asks(change) := record_asks(change) if {
	change.kind == "record"
	change.after
}

guest_asks(change) := array.concat(place_asks(change), array.concat(bridge_asks(change), base_asks(change)))

place_asks(change) := [{"list": list, "what": field, "names": [name]} |
	some field, list in {"node": "nodes", "storage": "storages"}
	name := change.after[field]
	name != ""
	lib.settles(change, field)
]

bridge_asks(change) := [{"list": "bridges", "what": "bridge", "names": [bridge]} |
	some net in change.after.nets
	bridge := change.after[net].bridge
	lib.settles(change, sprintf("%s.bridge", [net]))
]

# A base is used only when a machine is made.
base_asks(change) := [{"list": "bases", "what": "base", "names": base_names(change)} |
	change.action in {"create", "replace"}
	change.after.create.base
]

# A base as declarations write it, and the template's name where it says a VMID.
base_names(change) := [base | some base in [written, template]; base != ""] if {
	written := regex.replace(change.after.create.base, "^(template|ostemplate):", "")
	place := sprintf("%s/%s", [change.system, written])
	template := object.get(input.live.templates, [place, "name"], "")
}

# Reverse zones follow from the addresses and need no leave.
record_asks(change) := [{"list": "zones", "what": "zone", "names": [change.after.zone]} |
	not endswith(change.after.zone, ".arpa")
	lib.settles(change, "zone")
]

fits_any(patterns, names) if {
	some name in names
	lib.fits(patterns, name)
}

groups := {lib.whose(change) | some change in input.plan.changes}

# For each unit and workspace of the plan, the lists that decide: looked up once a
# group and not once a change.
allowed := {group: lists |
	some group in groups
	lists := {list: entries[0] |
		some list in ["nodes", "storages", "bridges", "bases", "zones"]
		entries := [entry[list] |
			some entry in data.limits.allow
			entry[list]
			lib.entry_for(entry, group)
		]
		count(entries) > 0
	}
}
