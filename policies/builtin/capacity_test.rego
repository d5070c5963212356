package provost.capacity_test

import data.provost.capacity

node := {"status": "online", "memory": 1000, "used": 800, "planned": 100, "changes": ["cri/guest/a", "cri/guest/b"]}

on_node(n) := answers if {
	answers := {[violation.msg, violation.id] | some violation in capacity.warn} with input.live.nodes as {"cri/pve1": n}
		with data.limits.warn as {"memory": 90, "storage": 80}
}

test_warns_of_a_full_node if {
	on_node(node) == {
		["capacity: the memory of node cri/pve1 would be 90 % full", "cri/guest/a"],
		["capacity: the memory of node cri/pve1 would be 90 % full", "cri/guest/b"],
	}
}

test_is_silent_below if on_node(object.union(node, {"planned": 50})) == set()

test_is_silent_when_the_plan_adds_nothing if {
	on_node(object.union(node, {"used": 990, "planned": 0})) == set()
	on_node(object.union(node, {"used": 990, "planned": -5})) == set()
}

test_is_silent_without_a_share if {
	count(capacity.warn) == 0 with input.live.nodes as {"cri/pve1": node}
		with data.limits.warn as {}
}

test_warns_of_a_full_storage if {
	storage := {"size": 1000, "used": 790, "planned": 11, "changes": ["cri/guest/a"]}
	messages := {violation.msg | some violation in capacity.warn} with input.live.storages as {"cri/vol-ceph-1": storage}
		with data.limits.warn as {"storage": 80}
	messages == {"capacity: storage cri/vol-ceph-1 would be 81 % full"}
}

test_warns_of_a_node_that_is_offline if {
	change := {"id": "cri/guest/a", "action": "create", "kind": "guest", "system": "cri", "after": {"node": "pve1"}, "fields": []}
	messages := {violation.msg | some violation in capacity.warn} with input.plan.changes as [change]
		with input.live.nodes as {"cri/pve1": {"status": "offline"}}
	messages == {"capacity: node cri/pve1 is offline"}
}
