# METADATA
# title: Quotas
# description: |
#   How much students, projects, cohorts and clusters may have, live and planned
#   machines together. Limits come from data.limits.quotas. Which changes no longer
#   fit is counted before the rules run, in key order: those that fit go, the rest
#   are denied. A change that lowers or keeps what its owner has is never denied.
package provost.quota

# METADATA
# title: Quota exceeded
# description: The change asks for more than its owner may have.
deny contains {"msg": msg, "id": id, "meta": rego.metadata.rule()} if {
	some excess in input.quota
	excess.after > excess.limit
	msg := message(excess)
	some id in excess.beyond
}

message(excess) := sprintf(
	"quota: %s %s asks %s of %s",
	[excess.scope, excess.name, asked(excess.what, excess.after), limited(excess.what, excess.limit)],
)

units := {"memory": "GiB of memory", "disk": "GiB of disk", "cores": "cores", "guests": "guests"}

asked(what, amount) := sprintf("%s %s", [limited(what, amount), units[what]])

# Memory is counted in MiB and said in GiB.
limited("memory", amount) := gib(amount)

limited(what, amount) := sprintf("%d", [amount]) if what != "memory"

gib(mib) := sprintf("%d", [mib / 1024]) if mib % 1024 == 0

gib(mib) := sprintf("%.2f", [mib / 1024]) if mib % 1024 != 0
