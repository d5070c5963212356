// Package pvesim is the double of a Proxmox VE cluster: the API of each node
// over HTTPS with token login, users, roles and pools, and /etc/pve over SSH.
//
// Tests, the demo and the benchmark run against it over real sockets, or over
// listeners in memory under testing/synctest. [Start] makes a cluster, the Add
// methods furnish it, [Cluster.Guests] and [Cluster.Requests] tell what came of
// it, and [Cluster.Inject], [Cluster.HoldLock] and [Cluster.NodeDown] make it
// misbehave.
//
// How long things take is a model, [Costs], with presets by name: in virtual
// time it reproduces within a tenth what was measured on a real server, which
// a test holds it to, so that schedules can be compared without a cluster.
//
// It is strict: every request is judged by the method's own declaration, in the
// package schema, and refused with the status, the reason phrase and the texts
// of the real server. Those were recorded on Proxmox VE 9.1.6; the recordings
// are replayed by a test, and testdata/uncovered.txt lists what the double does
// not answer alike, with reasons. To add a method: its declaration in the
// schema's two files, a line in the table of routes, a handler that works under
// the cluster's lock and never waits. What takes time is a job.
//
// # What it does not prove
//
//   - That a guest boots, gets an address, or runs its hook scripts: nothing
//     runs. Cloud-init data is stored and never used.
//   - That a disk has room: volumes are names.
//   - That an archive can be unpacked: it holds a configuration and no files. A
//     backup of what runs neither stops it nor makes a snapshot.
//   - How long things take anywhere but where the figures of [Costs] were
//     measured; model.go says where each comes from and what was only put
//     together. Requests do not slow tasks down, nor tasks requests; a
//     container that has started does nothing more; a migration is as long
//     whatever it moves; the network is as fast as the storage.
//   - That a client gets through a real corosync or pmxcfs: every write is seen
//     by all nodes at once, and quorum is only reported.
//   - The short waits for the file locks of containers (5 and 10 s): a loser of
//     a race is told at once. Those of machines are modelled.
//   - Passwords, tickets, two factors, groups, realms, propagate=0: tokens only.
//   - What root may do with a password and a token may not: there is no such
//     login; [Cluster.EditFile] stands for a person on the node.
//   - Firewall, HA beyond how its guests are stopped, replication, pruning of backups, SDN beyond the right to use a bridge.
//   - Texts that were not recorded: those of migrations, of a disk or storage
//     that is missing, of pools' rarer refusals. They are the source's, as far
//     as it was read.
//   - Texts of release 8.4: the parameters are its own, the texts are 9.1's.
package pvesim
