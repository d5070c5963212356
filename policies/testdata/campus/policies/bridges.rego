# METADATA
# title: Bridges of the campus
package campus.bridges

import data.provost.lib

# METADATA
# title: The exam bridge is for weekends
# description: From Monday to Friday examinations run on vibr285.
deny contains {"msg": msg, "id": change.id, "meta": rego.metadata.rule()} if {
	not weekend
	some change in input.plan.changes
	change.kind == "guest"
	some net in change.after.nets
	change.after[net].bridge == "vibr285"
	lib.settles(change, sprintf("%s.bridge", [net]))
	msg := sprintf("%s may join vibr285 on weekends only", [change.name])
}

weekend if time.weekday(time.now_ns()) in {"Saturday", "Sunday"}
