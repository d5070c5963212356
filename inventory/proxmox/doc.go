// Package proxmox is the live system for one Proxmox VE cluster: it lists its
// guests, their power, its nodes, storages and templates, and applies changes to
// the guests that carry our mark.
//
// # What a pass costs
//
// With SSH: one GET of /cluster/resources, one of /cluster/tasks, and one read
// over SSH of every guest's configuration file (a tar stream from a forced
// command, see [SSHConfig]). The resources are up to ten seconds old; so where the
// tasks tell of a guest that was started or stopped just now, the guests of that
// node and type are asked for again in one GET. Without SSH, or when no SSH host
// answers: besides, one GET of the configuration of each guest with the provost
// tag, and of every other guest whose line in /cluster/resources is new or
// changed.
//
// # Whose a guest is
//
// Ours is a guest whose description carries a mark of this campus, for this
// cluster, with the VMID that the guest has. A clone copies its source's
// description: a mark that names another VMID makes a guest foreign, and it is
// listed with the reason. Before anything is written to a guest, its
// configuration is read again, and the mark is looked at again. "Already exists"
// is never success.
//
// # Killed anywhere
//
// Creation can be taken up at any point. Before the POST an intent (key, VMID,
// and the task's UPID as soon as it is known) is written to state_dir; it is a
// hint whose loss costs only waiting. The next Apply finds the half-made guest
// under its VMID, waits for the task that holds it, and goes on from there.
//
// # Least rights
//
// A role with these privileges, given to the token on "/" (a test holds the list
// against the double, one privilege at a time):
//
//	Datastore.AllocateSpace Datastore.Audit Pool.Allocate Pool.Audit SDN.Use Sys.Audit
//	VM.Allocate VM.Audit VM.Clone VM.Config.CPU VM.Config.Disk VM.Config.Memory
//	VM.Config.Network VM.Config.Options VM.Migrate VM.PowerMgmt
//
// # Adding to it
//
// A new attribute of a guest is read in configAttrs and written in configParams;
// both have table tests, and a test holds one against the other. A new action
// is a file and a line in Cluster.apply.
//
// # What it refuses
//
// It never changes, stops or deletes a guest without our mark. It does not
// decide what should be, nor the order of things; it replaces a guest only when
// the change says so. It does not shrink disks and does not use the library's
// own create, update and wait helpers: they poll blindly, retry a POST that may
// have been done, and sleep on through a cancelled context.
package proxmox
