package provost.placement_test

import data.provost.placement

allow := [
	{
		"for": "cohort/*",
		"nodes": ["pve1", "pve2"],
		"storages": ["vol-ceph-*"],
		"bridges": ["vibr2*"],
		"bases": ["desktop-cinnamon", "dirs-nfs:debian-*"],
		"zones": ["etu.isima.fr"],
	},
	{"for": "cohort/gis3", "nodes": ["pve9"]},
	{"for": "project/closed", "bridges": []},
	{"for": "workspace/labs", "nodes": ["pve4"]},
]

guest := {
	"node": "pve1",
	"storage": "vol-ceph-1",
	"nets": ["net0"],
	"net0": {"bridge": "vibr285"},
	"create": {"base": "template:desktop-cinnamon"},
	"owner": {"unit": "cohort/gis3"},
	"workspace": "cohorts",
}

create(after) := {
	"id": "cri/guest/vm-x",
	"action": "create",
	"system": "cri",
	"kind": "guest",
	"name": "vm-x",
	"fields": [],
	"after": after,
}

update(after, fields) := object.union(create(after), {"action": "update", "fields": fields})

record(zone) := {
	"id": "ad/record/vm-x.etu.isima.fr/A",
	"action": "create",
	"system": "ad",
	"kind": "record",
	"name": "vm-x.etu.isima.fr/A",
	"fields": [],
	"after": {"zone": zone, "owner": {"unit": "cohort/gis3"}, "workspace": "cohorts"},
}

verdict(change) := messages if {
	messages := {violation.msg | some violation in placement.deny} with input.plan.changes as [change]
		with data.limits.allow as allow
		with input.live.templates as {"cri/9000": {"name": "desktop-cinnamon"}}
}

test_allows_what_is_listed if verdict(create(guest)) == set()

test_denies_a_node if {
	verdict(create(object.union(guest, {"node": "pve3"}))) == {"placement: cohort/gis3 may not use node pve3 (allowed: pve1, pve2)"}
}

test_denies_a_storage if {
	verdict(create(object.union(guest, {"storage": "local"}))) == {"placement: cohort/gis3 may not use storage local (allowed: vol-ceph-*)"}
}

test_denies_a_bridge if {
	verdict(create(object.union(guest, {"net0": {"bridge": "vmbr0"}}))) == {"placement: cohort/gis3 may not use bridge vmbr0 (allowed: vibr2*)"}
}

test_denies_a_base if {
	base := {"create": {"base": "ostemplate:dirs-nfs:alpine-3"}}
	verdict(create(object.union(guest, base))) == {"placement: cohort/gis3 may not use base dirs-nfs:alpine-3 (allowed: desktop-cinnamon, dirs-nfs:debian-*)"}
}

test_knows_a_base_by_its_vmid if {
	verdict(create(object.union(guest, {"create": {"base": "template:9000"}}))) == set()
	count(verdict(create(object.union(guest, {"create": {"base": "template:9001"}})))) == 1
}

test_denies_a_zone if {
	verdict(record("cri.isima.fr")) == {"placement: cohort/gis3 may not use zone cri.isima.fr (allowed: etu.isima.fr)"}
	verdict(record("etu.isima.fr")) == set()
}

test_reverse_zones_need_no_leave if verdict(record("79.168.192.in-addr.arpa")) == set()

test_an_empty_list_allows_nothing if {
	closed := object.union(guest, {"owner": {"unit": "project/closed"}})
	verdict(create(closed)) == {"placement: project/closed may not use bridge vibr285 (allowed: none)"}
}

test_units_that_no_entry_fits_are_free if {
	free := object.union(guest, {"owner": {"unit": "project/free"}, "node": "pve7"})
	verdict(create(free)) == set()
}

test_a_workspace_may_have_its_own if {
	lab := object.union(guest, {"owner": {"unit": "project/lab1"}, "workspace": "labs"})
	verdict(create(lab)) == {"placement: project/lab1 may not use node pve1 (allowed: pve4)"}
}

test_leaves_alone_what_has_long_been_so if {
	strayed := object.union(guest, {"node": "pve3", "create": {"base": "template:other"}})
	verdict(update(strayed, ["memory"])) == set()
	count(verdict(update(strayed, ["node"]))) == 1
	count(verdict(update(strayed, ["owner"]))) == 1
}

test_a_deletion_asks_for_nothing if {
	gone := object.remove(create(guest), ["after"])
	verdict(object.union(gone, {"action": "delete"})) == set()
}

test_names_the_change if {
	change := create(object.union(guest, {"node": "pve3"}))
	ids := {violation.id | some violation in placement.deny} with input.plan.changes as [change]
		with data.limits.allow as allow
	ids == {"cri/guest/vm-x"}
}
