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
