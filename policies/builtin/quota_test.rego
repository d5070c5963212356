package provost.quota_test

import data.provost.quota

over := {
	"scope": "student",
	"name": "rapamato",
	"what": "memory",
	"before": 16384,
	"after": 40960,
	"limit": 16384,
	"beyond": ["cri/guest/vm-b", "cri/guest/vm-c"],
}

messages(excess) := {violation.msg | some violation in quota.deny with input.quota as [excess]}

test_denies_each_change_that_does_not_fit if {
	{violation.id | some violation in quota.deny with input.quota as [over]} == {"cri/guest/vm-b", "cri/guest/vm-c"}
}

test_says_the_numbers if {
	messages(over) == {"quota: student rapamato asks 40 GiB of memory of 16"}
}

test_says_memory_that_is_no_whole_number if {
	odd := object.union(over, {"after": 1536})
	messages(object.union(odd, {"limit": 512})) == {"quota: student rapamato asks 1.50 GiB of memory of 0.50"}
}

test_says_the_other_dimensions if {
	asks := {"scope": "project", "name": "pft", "before": 0, "after": 12, "limit": 8, "beyond": ["cri/guest/a"]}
	messages(object.union(asks, {"what": "cores"})) == {"quota: project pft asks 12 cores of 8"}
	messages(object.union(asks, {"what": "disk"})) == {"quota: project pft asks 12 GiB of disk of 8"}
	messages(object.union(asks, {"what": "guests"})) == {"quota: project pft asks 12 guests of 8"}
}

test_lets_pass_what_ends_within_the_limit if {
	count(quota.deny) == 0 with input.quota as [object.union(over, {"after": 16384})]
}

test_lets_pass_an_excess_without_newcomers if {
	count(quota.deny) == 0 with input.quota as [object.union(over, {"beyond": []})]
}
