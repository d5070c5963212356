# METADATA
# title: End of the semester
package campus.semester

# METADATA
# title: Many machines at once
# description: A wave of new machines is worth a look before it is merged.
warn contains {"msg": msg, "meta": rego.metadata.rule()} if {
	new := count([change | some change in input.plan.changes; change.kind == "guest"; change.action == "create"])
	new > 50
	msg := sprintf("semester: %d new machines at once", [new])
}
