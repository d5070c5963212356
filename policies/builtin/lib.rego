# METADATA
# title: Helpers
# description: |
#   What rules about changes have in common. A campus may import them:
#   import data.provost.lib
package provost.lib

# METADATA
# title: What a change settles
# description: |
#   Whether the change decides the field anew: it makes the thing, takes it over,
#   gives it to another owner, or changes the field. A rule that asks this leaves
#   alone what has long been so.
settles(change, _) if change.action in {"create", "replace", "adopt"}

settles(change, field) if {
	change.action == "update"
	some changed in change.fields
	changed in {field, "owner"}
}

# METADATA
# title: Pattern
# description: Whether a text fits one of the patterns; * stands for any text.
fits(patterns, text) if {
	some pattern in patterns
	glob.match(pattern, null, text)
}

# METADATA
# title: Whose
# description: |
#   Whom an entry of the limits may name to mean the change: the unit it belongs to,
#   as cohort/gis3, and its workspace, as workspace/projects.
whose(change) := {change.after.owner.unit, sprintf("workspace/%s", [change.after.workspace])}

# METADATA
# title: Entry for
# description: Whether an entry of the limits is for one of those.
entry_for(entry, subjects) if {
	some subject in subjects
	glob.match(entry.for, null, subject)
}
