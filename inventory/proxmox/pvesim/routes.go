package pvesim

import "time"

// route is how a method is served.
type route struct {
	handle func(*call) (any, error)
	early  func(*call) error         // looked at before the cost is paid
	cost   func(*call) time.Duration // how long the request itself takes
	locks  bool                      // takes the guest's file lock first
}

func answerCost(k *call) time.Duration { return k.c.costs.Answer }
func configCost(k *call) time.Duration { return k.c.costs.Config }

// readCost is that of a small answer, which a worker gives or pveproxy itself.
func readCost(k *call) time.Duration {
	switch {
	case k.verb != "GET":
		return k.c.costs.Config
	case k.method.Protected == 1:
		return k.c.costs.Read + k.c.costs.Worker
	}
	return k.c.costs.Read
}

func tasksCost(k *call) time.Duration { return readCost(k) + k.c.costs.Tasks }

// rowsCost is that of a listing of all guests, or of a node's of one kind.
func rowsCost(k *call) time.Duration {
	rows := 0
	for _, g := range k.c.guests {
		if k.kind == "" || g.kind == k.kind && g.node == k.node {
			rows++
		}
	}
	return readCost(k) + time.Duration(rows)*k.c.costs.Row
}

// contentCost looks at every volume of a storage.
func contentCost(k *call) time.Duration {
	s := k.c.storages[k.str("storage")]
	if s == nil {
		return readCost(k)
	}
	volumes := len(k.c.volumes(s, k.node))
	return readCost(k) + time.Duration(volumes)*k.c.costs.of(s).Volume
}

// task and write are the two common shapes of a route that changes something.
func taskRoute(h func(*call) (any, error)) route { return route{handle: h, cost: answerCost} }
func writeRoute(h func(*call) (any, error)) route {
	return route{handle: h, cost: configCost, locks: true}
}
func read(h func(*call) (any, error)) route { return route{handle: h, cost: readCost} }
func list(h func(*call) (any, error), cost func(*call) time.Duration) route {
	return route{handle: h, cost: cost}
}

// routes is all that the double serves. The schema files hold the declaration
// of each; a test holds the two lists against each other.
var routes = map[string]route{
	"GET /version":                                read((*call).getVersion),
	"GET /nodes/{node}/version":                   read((*call).getVersion),
	"GET /cluster/resources":                      list((*call).getResources, rowsCost),
	"GET /cluster/status":                         read((*call).getClusterStatus),
	"GET /cluster/nextid":                         read((*call).getNextID),
	"GET /cluster/tasks":                          read((*call).getClusterTasks),
	"GET /cluster/options":                        read((*call).getOptions),
	"PUT /cluster/options":                        read((*call).putOptions),
	"POST /cluster/bulk-action/guest/start":       taskRoute((*call).bulkStart),
	"GET /nodes":                                  read((*call).getNodes),
	"GET /nodes/{node}/status":                    read((*call).getNodeStatus),
	"GET /nodes/{node}/network":                   read((*call).getNetwork),
	"GET /nodes/{node}/tasks":                     list((*call).getNodeTasks, tasksCost),
	"DELETE /nodes/{node}/tasks/{upid}":           read((*call).stopTask),
	"GET /nodes/{node}/tasks/{upid}/status":       read((*call).getTaskStatus),
	"GET /nodes/{node}/tasks/{upid}/log":          read((*call).getTaskLog),
	"POST /nodes/{node}/vzdump":                   taskRoute((*call).vzdump),
	"GET /pools":                                  read((*call).getPools),
	"POST /pools":                                 read((*call).createPool),
	"PUT /pools":                                  read((*call).updatePool),
	"DELETE /pools":                               read((*call).deletePool),
	"GET /pools/{poolid}":                         read((*call).getPool),
	"PUT /pools/{poolid}":                         read((*call).updatePool),
	"DELETE /pools/{poolid}":                      read((*call).deletePool),
	"GET /storage":                                read((*call).getStorages),
	"GET /nodes/{node}/storage":                   read((*call).getNodeStorages),
	"GET /nodes/{node}/storage/{storage}/status":  read((*call).getStorageStatus),
	"GET /nodes/{node}/storage/{storage}/content": list((*call).getContent, contentCost),
	"DELETE /nodes/{node}/storage/{storage}/content/{volume}": taskRoute((*call).deleteContent),
	"GET /access/users":                           read((*call).getUsers),
	"POST /access/users":                          read((*call).createUser),
	"POST /access/users/{userid}/token/{tokenid}": read((*call).createToken),
	"GET /access/acl":                             read((*call).getACL),
	"PUT /access/acl":                             read((*call).putACL),
	"GET /access/permissions":                     read((*call).getPermissions),
	"GET /access/roles":                           read((*call).getRoles),
	"POST /access/ticket":                         read((*call).createTicket),

	"GET /nodes/{node}/lxc":                                      list((*call).listGuests, rowsCost),
	"POST /nodes/{node}/lxc":                                     {handle: (*call).createLXC, early: (*call).checkVMIDFree, cost: answerCost},
	"DELETE /nodes/{node}/lxc/{vmid}":                            taskRoute((*call).destroyLXC),
	"GET /nodes/{node}/lxc/{vmid}/config":                        read((*call).getConfig),
	"PUT /nodes/{node}/lxc/{vmid}/config":                        writeRoute((*call).putLXCConfig),
	"GET /nodes/{node}/lxc/{vmid}/pending":                       read((*call).getPending),
	"PUT /nodes/{node}/lxc/{vmid}/resize":                        taskRoute((*call).resizeLXC),
	"POST /nodes/{node}/lxc/{vmid}/clone":                        {handle: (*call).cloneLXC, early: (*call).checkNewIDFree, cost: answerCost},
	"POST /nodes/{node}/lxc/{vmid}/template":                     taskRoute((*call).templateLXC),
	"GET /nodes/{node}/lxc/{vmid}/status/current":                read((*call).getCurrent),
	"POST /nodes/{node}/lxc/{vmid}/status/start":                 taskRoute((*call).startLXC),
	"POST /nodes/{node}/lxc/{vmid}/status/stop":                  taskRoute((*call).stopLXC),
	"POST /nodes/{node}/lxc/{vmid}/status/shutdown":              taskRoute((*call).shutdownLXC),
	"POST /nodes/{node}/lxc/{vmid}/status/reboot":                taskRoute((*call).rebootLXC),
	"POST /nodes/{node}/lxc/{vmid}/migrate":                      taskRoute((*call).migrate),
	"GET /nodes/{node}/lxc/{vmid}/snapshot":                      read((*call).listSnapshots),
	"POST /nodes/{node}/lxc/{vmid}/snapshot":                     taskRoute((*call).createSnapshot),
	"DELETE /nodes/{node}/lxc/{vmid}/snapshot/{snapname}":        taskRoute((*call).deleteSnapshot),
	"GET /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/config":    read((*call).getSnapshotConfig),
	"POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback": taskRoute((*call).rollbackSnapshot),
	"GET /nodes/{node}/lxc/{vmid}/interfaces":                    read((*call).getInterfaces),

	"GET /nodes/{node}/qemu":                                      list((*call).listGuests, rowsCost),
	"POST /nodes/{node}/qemu":                                     {handle: (*call).createQEMU, early: (*call).checkVMIDFree, cost: answerCost},
	"DELETE /nodes/{node}/qemu/{vmid}":                            taskRoute((*call).destroyQEMU),
	"GET /nodes/{node}/qemu/{vmid}/config":                        read((*call).getConfig),
	"PUT /nodes/{node}/qemu/{vmid}/config":                        writeRoute((*call).putQEMUConfig),
	"POST /nodes/{node}/qemu/{vmid}/config":                       writeRoute((*call).postQEMUConfig),
	"GET /nodes/{node}/qemu/{vmid}/pending":                       read((*call).getPending),
	"PUT /nodes/{node}/qemu/{vmid}/resize":                        taskRoute((*call).resizeQEMU),
	"POST /nodes/{node}/qemu/{vmid}/clone":                        taskRoute((*call).cloneQEMU),
	"POST /nodes/{node}/qemu/{vmid}/template":                     taskRoute((*call).templateQEMU),
	"GET /nodes/{node}/qemu/{vmid}/status/current":                read((*call).getCurrent),
	"POST /nodes/{node}/qemu/{vmid}/status/start":                 taskRoute((*call).startQEMU),
	"POST /nodes/{node}/qemu/{vmid}/status/stop":                  taskRoute((*call).stopQEMU),
	"POST /nodes/{node}/qemu/{vmid}/status/shutdown":              taskRoute((*call).shutdownQEMU),
	"POST /nodes/{node}/qemu/{vmid}/status/reboot":                taskRoute((*call).rebootQEMU),
	"POST /nodes/{node}/qemu/{vmid}/migrate":                      taskRoute((*call).migrate),
	"GET /nodes/{node}/qemu/{vmid}/snapshot":                      read((*call).listSnapshots),
	"POST /nodes/{node}/qemu/{vmid}/snapshot":                     taskRoute((*call).createSnapshot),
	"DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}":        taskRoute((*call).deleteSnapshot),
	"GET /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config":    read((*call).getSnapshotConfig),
	"POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback": taskRoute((*call).rollbackSnapshot),
	"PUT /nodes/{node}/qemu/{vmid}/cloudinit":                     read((*call).regenerateCloudInit),
	"POST /nodes/{node}/qemu/{vmid}/agent/ping":                   read((*call).pingAgent),
}
