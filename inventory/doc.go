// Package inventory names what exists, or should exist, on a campus.
//
// Everything is a [Resource]: a guest, its power, a DNS record, a DHCP
// reservation, a line of the DHCP allow filter, and also what is only observed,
// such as nodes, templates and scopes. Desired state and live state are lists
// of resources in the same canonical form, so that comparing them is comparing
// maps of strings.
//
// Each live system is a package below this one that lists its resources and
// applies a [Change]. To add one: a folder, a call of the conformance suite in
// inventory/systemtest, and a case in SystemConfig.open of cmd/provost.
//
// The package refuses to do anything: it holds data and no connection.
//
// # Kinds and their attributes
//
// Attributes are strings in canonical form. The edge of each live system makes
// them so; a phantom difference is a bug of that edge. An attribute that a
// desired resource does not name is not managed. An attribute whose name begins
// with "create." is used when the thing is made and never compared again.
//
// guest (<cluster>/guest/<hostname>), an LXC container or a QEMU machine:
//
//	type         lxc | qemu (cannot change in place)
//	vmid         decimal
//	name         host name, may be fully qualified
//	node         name of the Proxmox node; a difference is a migration
//	cores        count
//	memory       MiB
//	swap         MiB (lxc)
//	disk         GiB of the root disk; grows only
//	storage      storage of the root disk (cannot change in place)
//	pool         "" when in none
//	tags         lower case, sorted, joined by ";"; always with "provost"
//	description  the human text, without the mark and without a final newline
//	features     lxc: sorted "nesting=1,keyctl=1"
//	nameserver   space separated, "" follows the node
//	searchdomain
//	onboot       0 | 1
//	nets         sorted "net0,net1": the interfaces that exist
//	netN.bridge  netN.mac (BC:24:11:…, upper case) netN.tag netN.firewall
//	netN.rate netN.mtu netN.model (qemu) netN.name (lxc)
//	netN.ip      CIDR | dhcp | "" ; netN.gw ; netN.ip6 ; netN.gw6
//	ciuser       qemu with cloud-init
//	sshkeys      qemu with cloud-init: sorted, joined by newline
//	rebuild      decimal, kept in the mark; a higher one is a replacement
//	create.base     template:<name or VMID> | ostemplate:<storage>:<prefix>
//	create.clone    full | linked
//	create.sshkeys  lxc: keys given at creation, joined by newline
//	create.boot     new: the mark remembers that provost has yet to start it once
//	create.workspace  the workspace of its file, for policies
//	lock         live only: create, disk, clone, backup, …
//	pending      live only: "cores,nameserver", the options of Proxmox that are written
//	             and that a running guest takes at its next start; where that is known
//	stale        live only, on templates and foreign guests too: what to do about a
//	             lock that no task holds
//	raw          live only: "1" on a clone that is yet to be configured; what it
//	             has is its source's, or was drawn by the server
//	retired      YYYY-MM-DD, kept in the mark: since that day nothing declares
//	             the guest, so it stands still and is kept; a desired "" brings
//	             a live one back
//	retain       days for which a retired guest is kept, in the mark with retired
//	boot         of a change that retires a running guest: new, for the mark, so
//	             that it is started again when it comes back
//
// power (<cluster>/power/<hostname>), needs everything declared for its guest:
//
//	state        running | stopped
//	boot         new | ran | done: whether provost has still to start it for the first
//	             time; ran: live only, it need not, and the mark is to forget
//
// A live guest always comes with a live power resource of the same owner.
// Deleting a power resource stops the guest. While a guest is being deleted it
// is the guest that waits for its power.
//
// reboot (<cluster>/reboot/<hostname>), neither declared nor listed: a plan has an
// update of it where a running guest must be restarted for what is written to
// become true:
//
//	pending      the guest's own; "" afterwards
//
// record (<dns>/record/<fqdn>/<TYPE>), one value a record:
//
//	zone, name (relative, "@" for the apex), type A|AAAA|PTR|CNAME|TXT
//	value        address, or a name without final dot in lower case, or text
//	ttl          seconds
//	dynamic      live only: "1" when the server's own clients wrote it
//
// reservation (<dhcp>/reservation/<scope>/<mac as bc-24-11-…>):
//
//	ip, mac (bc-24-11-…), name, on: "all" or the partners that have it, comma separated
//	livename     live only: the name that the client gave itself
//	description  live only: what a person wrote beside the mark
//
// filter (<dhcp>/filter/<mac as bc-24-11-…>), a MAC in the DHCP allow filter:
//
//	list         allow | deny
//	on           "all", or the partners that have it, comma separated
//	description  live only: what a person wrote beside the mark
//
// Only observed, never owned:
//
//	foreign  <cluster>/foreign/<vmid>: a guest without our mark, attributes as
//	         a guest's, and "why" where it carries a mark that is not its own
//	backup   <cluster>/backup/<vmid>: a VMID that nobody has and backups are there
//	         of, so that it is not handed out again
//	node     <cluster>/node/<name>: status online|offline, cores, memory (MiB), used (MiB)
//	storage  <cluster>/storage/<node>/<name>: size, used (GiB), shared 0|1
//	template <cluster>/template/<vmid>: type, name, node, disk (GiB), storage
//	zone     <dns>/zone/<name>; scope <dhcp>/scope/<id>: start, end, mask, state
//	lease    <dhcp>/lease/<scope>/<ip>: mac or clientid, hostname
package inventory
