package provost.names_test

import data.provost.names

like := [
	{"for": "cohort/*", "like": ["vm-{student}", "vm-{student}-*"]},
	{"for": "project/*", "like": ["*.isima.fr"]},
]

machine(name, owner) := {
	"action": "create",
	"kind": "guest",
	"fields": [],
	"after": {"owner": owner, "workspace": "projects"},
	"machines": {replace(name, object.get(owner, "student", "root"), "{student}"): {
		"ids": [sprintf("cri/guest/%s", [name])],
		"students": [object.get(owner, "student", "")],
	}},
}

amato := {"unit": "cohort/gis3", "student": "rapamato"}

verdict(change) := messages if {
	messages := {violation.msg | some violation in names.deny} with input.plan.changes as [change]
		with data.limits.names as like
}

test_allows_the_login if {
	verdict(machine("vm-rapamato", amato)) == set()
	verdict(machine("vm-rapamato-2", amato)) == set()
}

test_denies_another_login if {
	verdict(machine("vm-root", amato)) == {"names: vm-root may not be called so in cohort/gis3 (allowed: vm-{student}, vm-{student}-*)"}
}

test_a_login_is_text_and_no_pattern if {
	count(verdict(machine("vm-root", {"unit": "cohort/gis3", "student": "*"}))) == 1
}

test_projects_have_their_own if {
	verdict(machine("cloud.prod.isima.fr", {"unit": "project/pft"})) == set()
	count(verdict(machine("cloud", {"unit": "project/pft"}))) == 1
}

test_units_that_no_entry_fits_are_free if verdict(machine("x", {"unit": "class/y"})) == set()

test_only_new_names_are_judged if {
	old := machine("vm-root", amato)
	verdict(object.union(old, {"action": "update", "fields": ["cores"]})) == set()
	count(verdict(object.union(old, {"action": "update", "fields": ["key"]}))) == 1
	count(verdict(object.union(old, {"action": "update", "fields": ["name"]}))) == 1
}

test_machines_are_judged_by_themselves if {
	group := object.union(machine("vm-rapamato", amato), {"machines": {"vm-*": {
		"ids": ["cri/guest/vm-rapamato", "cri/guest/vm-root"],
		"students": ["rapamato", "rapamato"],
	}}})
	denied := {violation.id | some violation in names.deny} with input.plan.changes as [group]
		with data.limits.names as like
	denied == {"cri/guest/vm-root"}
}
