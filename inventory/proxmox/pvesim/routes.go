package pvesim

import "time"

// route is how a method is served.
type route struct {
	handle func(*call) (any, error)
	early  func(*call) error         // looked at before the cost is paid
	cost   func(Costs) time.Duration // how long the request itself takes
	locks  bool                      // takes the guest's file lock first
}

func answerCost(c Costs) time.Duration { return c.Answer }
func configCost(c Costs) time.Duration { return c.Config }

// task and write are the two common shapes of a route that changes something.
func taskRoute(h func(*call) (any, error)) route { return route{handle: h, cost: answerCost} }
func writeRoute(h func(*call) (any, error)) route {
	return route{handle: h, cost: configCost, locks: true}
}
func read(h func(*call) (any, error)) route { return route{handle: h} }

// routes is all that the double serves. The schema files hold the declaration
// of each; a test holds the two lists against each other.
var routes = map[string]route{
	"GET /version":                                read((*call).getVersion),
	"GET /nodes/{node}/version":                   read((*call).getVersion),
	"GET /cluster/resources":                      read((*call).getResources),
	"GET /cluster/status":                         read((*call).getClusterStatus),
	"GET /cluster/nextid":                         read((*call).getNextID),
	"GET /cluster/tasks":                          read((*call).getClusterTasks),
	"GET /cluster/options":                        read((*call).getOptions),
	"PUT /cluster/options":                        read((*call).putOptions),
	"POST /cluster/bulk-action/guest/start":       taskRoute((*call).bulkStart),
	"GET /nodes":                                  read((*call).getNodes),
	"GET /nodes/{node}/status":                    read((*call).getNodeStatus),
	"GET /nodes/{node}/network":                   read((*call).getNetwork),
	"GET /nodes/{node}/tasks":                     read((*call).getNodeTasks),
	"DELETE /nodes/{node}/tasks/{upid}":           read((*call).stopTask),
	"GET /nodes/{node}/tasks/{upid}/status":       read((*call).getTaskStatus),
	"GET /nodes/{node}/tasks/{upid}/log":          read((*call).getTaskLog),
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
	"GET /nodes/{node}/storage/{storage}/content": read((*call).getContent),
	"DELETE /nodes/{node}/storage/{storage}/content/{volume}": taskRoute((*call).deleteContent),
	"GET /access/users":                           read((*call).getUsers),
	"POST /access/users":                          read((*call).createUser),
	"POST /access/users/{userid}/token/{tokenid}": read((*call).createToken),
	"GET /access/acl":                             read((*call).getACL),
	"PUT /access/acl":                             read((*call).putACL),
	"GET /access/permissions":                     read((*call).getPermissions),
	"GET /access/roles":                           read((*call).getRoles),
	"POST /access/ticket":                         read((*call).createTicket),

	"GET /nodes/{node}/lxc":                                      read((*call).listGuests),
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

	"GET /nodes/{node}/qemu":                                      read((*call).listGuests),
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
