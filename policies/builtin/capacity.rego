# METADATA
# title: Capacity
# description: |
#   Warns when nodes or storages fill up: what is in use now, plus what the plan
#   adds. The share at which to warn comes from data.limits.warn.
package provost.capacity

import data.provost.lib

# METADATA
# title: Node nearly full
# description: The machines planned on a node leave little of its memory.
warn contains {"msg": msg, "id": id, "meta": rego.metadata.rule()} if {
	some name, node in input.live.nodes
	share := crowded(node, node.memory, data.limits.warn.memory)
	msg := sprintf("capacity: the memory of node %s would be %d %% full", [name, share])
	some id in node.changes
}

# METADATA
# title: Storage nearly full
# description: The disks planned on a storage leave little of it.
warn contains {"msg": msg, "id": id, "meta": rego.metadata.rule()} if {
	some name, storage in input.live.storages
	share := crowded(storage, storage.size, data.limits.warn.storage)
	msg := sprintf("capacity: storage %s would be %d %% full", [name, share])
	some id in storage.changes
}

# METADATA
# title: Node offline
# description: A machine is to be made on, or moved to, a node that is not there now.
warn contains {"msg": msg, "id": change.id, "meta": rego.metadata.rule()} if {
	some change in input.plan.changes
	change.kind == "guest"
	lib.settles(change, "node")
	name := sprintf("%s/%s", [change.system, change.after.node])
	input.live.nodes[name].status == "offline"
	msg := sprintf("capacity: node %s is offline", [name])
}

# The share in percent that would be in use, if the plan adds to it and it is too much.
crowded(place, size, most) := share if {
	place.planned > 0
	size > 0
	share := ceil(((place.used + place.planned) * 100) / size)
	share >= most
}
