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
// answers: besides, one GET of the configuration of each guest whose line in
// /cluster/resources is new or changed, and of as many others as it takes to read
// each within five minutes ([Cluster.due]); after a change, of all of ours.
//
// Where the forced command knows the word "versions", a read over SSH brings only
// /etc/pve/.vmlist, which numbers the writes of each file. What has another number
// than at the last read is read over the API, or all of it when that is much; and
// all of it every ten minutes.
//
// # What a machine costs
//
// A clone that is configured and started takes a POST of the clone, a PUT of the
// options (what it inherits is known, so it is not read), a PUT of the disk's size
// where that grows, and a POST of the start. That the start was made, nobody writes
// down: the cluster tells (see owed). One request follows the tasks of all nodes ([watcher]); it
// comes when one should have ended, which is learned ([pace]) and tells of all that
// have. Guests that become ready at about the same time share the POST of the start
// where the server has it (9.1.2) and limits.bulk_start allows. A container from an
// OS template takes one POST: its creation starts it, when nothing
// but the guest itself has to be there first. So does one that is restored, unless
// the template has something that it is not to have.
//
// # What waits for a restart
//
// Of what is written to a running guest, Proxmox keeps some for its next start. The
// files tell (read over SSH), and so does GET …/pending for a guest that changed
// since; without SSH that would be one more request for each guest in each pass,
// so only those are asked that provost itself has changed.
//
// # How many at once
//
// Claims names what a change occupies. How many fit is known (a container that is
// cloned is locked) or found by trying, within Config.Limits ([widths]). What would
// begin at one moment begins little by little, so that some copy while others work
// ([openings]). Where many containers are cloned from one template, Prepare has copies
// of it made first, as many as make the whole quickest; they are cloned from too, and
// kept for the next time. The listing has them as kind "copy", without an owner:
//
//	copy <cluster>/copy/<vmid of the template>-<n>: type, vmid, name, node, disk,
//	storage, source, of (the template's fingerprint), ready 0|1, lock
//
// Where a storage for backups is named and that is quicker still, one copy is backed
// up, and the machines are restored from that, which locks nothing. The notes of such
// a backup carry a mark; it is kept for the next time as copies are, and listed:
//
//	archive <cluster>/archive/<file>: volid, storage, node, size, vmid (of the
//	copy), source, of, protected 0|1
//
// # Whose a guest is
//
// Ours is a guest whose description carries a mark of this campus, for this
// cluster, with the VMID that the guest has. A clone copies its source's
// description: a mark that names another VMID makes a guest foreign, and it is
// listed with the reason. Before anything is written to a guest, its
// configuration is read again, and the mark is looked at again; only of a guest
// that PVE gave to this process within the last two minutes is it known, unless a
// task was seen that deletes it. "Already exists" is never
// success.
//
// # What a listing lacks
//
// A guest of ours that a listing lacks is taken for gone only where nobody has its
// VMID any more (hidden.go): the token may have lost sight of it, and a guest that
// moves may be missed where it was and where it is. Until that is clear it stays
// listed as it was, and Unknown. A node that is offline keeps its guests Unknown, and
// its backups their VMIDs; its tasks are nobody's to wait for (outage.go).
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
//	VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CPU VM.Config.Disk VM.Config.Memory
//	VM.Config.Network VM.Config.Options VM.Migrate VM.PowerMgmt
//
// # Timing a cluster
//
// [Cluster.Time] times what a real cluster takes, with guests and backups of its own
// whose marks have keys of kind "trial", so that a listing shows what a crash left as
// foreign and says why; the next run deletes it, or [Cluster.ClearTrials], and nothing
// else. What was found comes back as [Guesses]: until a task was seen, it is taken to
// take that.
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
