package provost.lib_test

import data.provost.lib

test_settles_all_of_a_new_thing if {
	lib.settles({"action": "create", "fields": []}, "node")
	lib.settles({"action": "replace", "fields": []}, "node")
	lib.settles({"action": "adopt", "fields": []}, "node")
}

test_settles_what_it_changes if {
	lib.settles({"action": "update", "fields": ["node"]}, "node")
	lib.settles({"action": "update", "fields": ["owner"]}, "node")
}

test_settles_nothing_else if {
	not lib.settles({"action": "update", "fields": ["memory"]}, "node")
	not lib.settles({"action": "delete", "fields": []}, "node")
}

test_fits if {
	lib.fits(["a", "vibr2*"], "vibr279")
	not lib.fits(["a", "vibr2*"], "vibr3")
	not lib.fits([], "vibr3")
}

test_a_star_crosses_dots if lib.fits(["*.isima.fr"], "cloud.prod.isima.fr")

test_whose if {
	change := {"after": {"owner": {"unit": "cohort/gis3"}, "workspace": "labs"}}
	lib.whose(change) == {"cohort/gis3", "workspace/labs"}
}

test_entry_for if {
	lib.entry_for({"for": "workspace/l*"}, {"cohort/gis3", "workspace/labs"})
	not lib.entry_for({"for": "workspace/l*"}, {"cohort/gis3", "workspace/projects"})
}
