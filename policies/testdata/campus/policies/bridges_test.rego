package campus.bridges_test

import data.campus.bridges

machine := {
	"id": "cri/guest/vm-rapamato",
	"action": "create",
	"kind": "guest",
	"name": "vm-rapamato",
	"fields": [],
	"after": {"nets": ["net0"], "net0": {"bridge": "vibr285"}},
}

wednesday := time.parse_rfc3339_ns("2026-09-16T10:00:00Z")

sunday := time.parse_rfc3339_ns("2026-09-20T10:00:00Z")

test_weekday if {
	count(bridges.deny) == 1 with input.plan.changes as [machine]
		with time.now_ns as wednesday
}

test_weekend if {
	count(bridges.deny) == 0 with input.plan.changes as [machine]
		with time.now_ns as sunday
}
