package projects

import "slices"

// The formats, as tables: the decoder obeys them and the JSON Schema is printed
// from them. To add a key, add a line here and read it where its neighbours are
// read; a test fails for a key that nothing reads.

// apiVersion is the version that all formats share.
const apiVersion = "provost/v1"

// These documents are what the three kinds of files must look like.
var (
	campusShape  = indexed(makeCampusShape())
	projectShape = indexed(makeProjectShape())
	cohortShape  = indexed(makeCohortShape())
)

var (
	aText    = &shape{kind: text}
	aName    = &shape{kind: text, like: nameLike}
	nameList = &shape{kind: list, elem: aName}
	anyText  = &shape{kind: list, elem: aText}
	anything = &shape{kind: free}
)

func makeCampusShape() *shape {
	cluster := &shape{kind: object, doc: "a Proxmox VE cluster; its name is that of the system in provost.yaml", keys: []key{
		{"vmids", described("the VMIDs that provost may give out, such as 20000-29999", shape{kind: text, like: rangeLike}), true},
		{"nodes", described("the nodes that machines may be put on; all that are online where it is left out", *nameList), false},
		{"defaults", described("what machines of this cluster are unless their own file says otherwise", shape{kind: object, keys: sharedKeys()}), false},
	}}
	dhcp := &shape{kind: object, doc: "who answers DHCP on this network", keys: []key{
		{"system", described("name of the DHCP system in provost.yaml", *aName), true},
		{"scope", described("the scope's network address; the network's own where it is left out", *aText), false},
		{"addresses", described("ranges that dhcp: reserve takes addresses from", *anyText), false},
	}}
	network := &shape{kind: object, doc: "a network; its name is what net0 says", keys: []key{
		{"cluster", described("the cluster that has it", *aName), true},
		{"bridge", described("the bridge, where it is not called like the network", *aName), false},
		{"tag", described("VLAN tag on the bridge", shape{kind: whole, min: 1, max: 4094}), false},
		{"cidr", described("the IPv4 network, such as 192.168.79.0/24", *aText), false},
		{"gateway", described("the IPv4 gateway of machines with a static address", *aText), false},
		{"cidr6", described("the IPv6 network", *aText), false},
		{"gateway6", described("the IPv6 gateway", *aText), false},
		{"nameserver", described("name servers of machines with a static address", *anyText), false},
		{"dhcp", dhcp, false},
	}}
	zone := &shape{kind: object, doc: "a DNS zone that provost may write in; reverse zones stand here too", keys: []key{
		{"system", described("name of the DNS system in provost.yaml", *aName), true},
		{"ttl", described("time to live of our records, in seconds; 3600 where it is left out", shape{kind: whole, min: 1, max: 604800}), false},
	}}
	return &shape{kind: object, doc: "the campus: clusters, networks and zones", keys: []key{
		{"apiVersion", &shape{kind: text, enum: []string{apiVersion}}, true},
		{"kind", &shape{kind: text, enum: []string{"Campus"}}, true},
		{"name", described("stands in the mark of everything that provost makes: never change it", shape{kind: text, like: unitLike}), true},
		{"retain", retain, false},
		{"drift", makeDriftShape(), false},
		{"timezone", described("in which the days and hours of windows, freezes and cohorts are meant, as the IANA names it: Europe/Paris", shape{kind: text, like: zoneLike}), false},
		{"windows", periodsShape("a window: what it names goes out only while one of the windows that name it is open", "actions", "what waits for it: create, update, delete, power, reboot; everything where it is left out"), false},
		{"freezes", periodsShape("a freeze: while it lasts, only what it allows goes out", "allow", "what goes out all the same: create, update, delete, power, reboot; nothing where it is left out"), false},
		{"clusters", &shape{kind: object, name: unitLike, rest: cluster}, true},
		{"networks", &shape{kind: object, name: nameLike, rest: network}, false},
		{"zones", &shape{kind: object, name: hostLike, rest: zone}, false},
	}}
}

func makeProjectShape() *shape {
	ansible := &shape{kind: object, doc: "the playbook that makes the machines useful", keys: []key{
		{"group", described("inventory group", *aText), false},
		{"playbook", described("playbook, relative to the playbook repository", *aText), true},
		{"tags", described("tags to run", *anyText), false},
		{"extravars", described("variables, passed on as they are", shape{kind: free}), false},
	}}
	machine := &shape{kind: object, keys: slices.Concat([]key{{"hostname", hostname, true}}, sharedKeys(), ownKeys())}
	ct, vm := *machine, *machine
	ct.doc, vm.doc = "an LXC container", "a QEMU machine"
	return &shape{kind: object, doc: "a project: its name is the file's", keys: []key{
		{"apiVersion", &shape{kind: text, enum: []string{apiVersion}}, false},
		{"kind", &shape{kind: text, enum: []string{"Project"}}, false},
		{"cluster", described("the cluster that the machines are on", *aName), true},
		{"workspace", described("what policies call this kind of file; projects where it is left out", *aName), false},
		{"ansible", ansible, false},
		{"retain", retain, false},
		{"drift", makeDriftShape(), false},
		{"defaults", described("what the machines below are unless they say otherwise", shape{kind: object, keys: sharedKeys()}), false},
		{"ct", described("LXC containers", shape{kind: list, elem: &ct}), false},
		{"vm", described("QEMU machines", shape{kind: list, elem: &vm}), false},
	}}
}

func makeCohortShape() *shape {
	flavour := shape{kind: object, keys: slices.Concat([]key{{"hostname", hostname, false}}, sharedKeys())}
	template := described("what each student's machine is", shape{kind: object, keys: slices.Concat([]key{
		{"kind", described("ct for containers, vm for QEMU machines; ct where it is left out", shape{kind: text, enum: []string{"ct", "vm"}}), false},
	}, flavour.keys)})
	student := &shape{kind: object, keys: slices.Concat([]key{
		{"login", described("the student's login", shape{kind: text, like: loginLike}), true},
		{"name", described("the student's name; the login where it is left out", *aText), false},
		{"flavour", described("one of the flavours above", *aName), false},
		{"hostname", hostname, false},
	}, sharedKeys(), ownKeys())}
	return &shape{kind: object, doc: "a cohort of students with a machine each: its name is the file's", keys: []key{
		{"apiVersion", &shape{kind: text, enum: []string{apiVersion}}, true},
		{"kind", &shape{kind: text, enum: []string{"Cohort"}}, true},
		{"cluster", described("the cluster that the machines are on", *aName), true},
		{"workspace", described("what policies call this kind of file; cohorts where it is left out", *aName), false},
		{"title", described("the cohort as people call it; the file's name where it is left out", *aText), false},
		{"retain", retain, false},
		{"drift", makeDriftShape(), false},
		{"start", aDay("the first day: before it the cohort is planned only"), false},
		{"freeze", aDay("from this day to the end nothing of the cohort changes"), false},
		{"end", aDay("the last day: after it the machines are retired, as if nothing declared them any more"), false},
		{"template", template, true},
		{"flavours", described("named differences from the template, which students may ask for", shape{kind: object, name: nameLike, rest: &flavour}), false},
		{"roster", described("a CSV file beside this one, with the columns login, name and any scalar key of a student", *aText), false},
		{"students", described("students named here, with their differences", shape{kind: list, elem: student}), false},
	}}
}

var hostname = described("host name, fully qualified or not; {login} and {n} are filled in", shape{kind: text, like: hostPattern})

// sharedKeys are what many machines may have in common.
func sharedKeys() []key {
	return []key{
		{"description", described("for people; {name}, {login}, {cohort}, {cluster} and {n} are filled in", *aText), false},
		{"node", described("the Proxmox node; provost chooses where it is left out, and a change migrates", *aName), false},
		{"base", described("storage:name of an OS template (the newest whose name begins so), or a template's name or VMID to clone", shape{kind: label}), false},
		{"clone", described("full (independent of its template) or linked (made at once); full where it is left out", shape{kind: text, enum: []string{"full", "linked"}}), false},
		{"cores", described("processor cores", shape{kind: whole, min: 1, max: 8192}), false},
		{"memory", described("MiB", shape{kind: whole, min: 16, max: 67108864}), false},
		{"swap", described("MiB, containers only", shape{kind: whole, max: 67108864}), false},
		{"disk", described("GiB of the root disk; grows only", shape{kind: whole, min: 1, max: 131072}), false},
		{"rootfs", described("the same as disk", shape{kind: whole, min: 1, max: 131072}), false},
		{"storage", described("storage of the root disk", *aName), false},
		{"bridge", described("the same as net0 with nothing but a network", *aName), false},
		{"net0", netShape(), false}, {"net1", netShape(), false}, {"net2", netShape(), false}, {"net3", netShape(), false},
		{"features", described("of containers: nesting=1, keyctl=1", shape{kind: list, elem: &shape{kind: text, like: featureLike}}), false},
		{"nameserver", described("name servers; by default the network's with a static address, else the node's", *anyText), false},
		{"searchdomain", described("DNS search domain", shape{kind: text, like: hostLike}), false},
		{"onboot", described("start with the node", shape{kind: truth}), false},
		{"pool", described("Proxmox pool", *aName), false},
		{"tags", described("tags beside provost's own; those of the levels above are kept", *anyText), false},
		{"ssh-public-keys", described("key sets from keys/: one name or several", *nameList), false},
		{"ciuser", described("cloud-init user, QEMU only", *aName), false},
		{"zone", described("DNS zone of a host name that is not fully qualified", shape{kind: text, like: hostLike}), false},
		{"gw", described("IPv4 gateway; the network's where it is left out", *aText), false},
		{"gw6", described("IPv6 gateway", *aText), false},
		{"dhcp", described("authorise (the default where the network has DHCP), reserve or none", shape{kind: text, enum: []string{"authorise", "reserve", "none"}}), false},
		{"addresses", described("ranges that dhcp: reserve takes from, instead of the network's", *anyText), false},
		{"dns", described("managed (the default with an address that is known), by-dhcp (the default with dhcp: authorise) or none", shape{kind: text, enum: []string{"managed", "by-dhcp", "none"}}), false},
		{"power", described("initial (started once, the default), running, stopped or ignore", shape{kind: text, enum: []string{"initial", "running", "stopped", "ignore"}}), false},
		{"reboot", described("when the machine is restarted for what it takes at its next start only: never (the default for students), window (the default for others: in the windows of campus.yaml that name reboot) or now", shape{kind: text, enum: []string{rebootNever, rebootWindow, "now"}}), false},
		{"rebuild", described("raise it to make the machine anew from its base, under the same name, VMID and MAC", shape{kind: whole, max: 999999}), false},
		{"count", described("that many machines alike; {n} in the host name counts them from 1", shape{kind: whole, min: 1, max: 1000}), false},
	}
}

// ownKeys are what only one machine can have.
func ownKeys() []key {
	vmid := shape{kind: whole, min: 100, max: 999999999}
	return []key{
		{"ip", described("IPv4 address with its prefix length, or dhcp; with count it counts up", *aText), false},
		{"ip6", described("IPv6 address with its prefix length", *aText), false},
		{"mac", described("MAC address; derived from the name where it is left out", shape{kind: text, like: macLike}), false},
		{"vmid", described("VMID; derived from the name where it is left out", vmid), false},
		{"cname", described("other names of the machine", shape{kind: list, elem: &shape{kind: text, like: recordLike}}), false},
		{"txt", described("TXT records by name; @ is the machine's own", shape{kind: object, name: recordLike, rest: aText}), false},
		{"adopt", described("take over a machine that exists; only what this entry says is then managed", shape{kind: object, keys: []key{
			{"vmid", described("VMID of that machine", vmid), true},
		}}), false},
		{"was", described("the host name before a rename", shape{kind: text, like: hostLike}), false},
	}
}

// periodsShape is a map of windows or freezes by name; what is the key that lists
// their actions.
func periodsShape(doc, what, about string) *shape {
	return &shape{kind: object, name: nameLike, rest: &shape{kind: object, doc: doc, keys: []key{
		{"from", aDay("the first day; left out, it has always been so"), false},
		{"to", aDay("the last day; left out, it goes on for ever"), false},
		{"days", described("days of the week, such as mon-fri or sat, sun; every day where it is left out", shape{kind: list, elem: &shape{kind: text, like: daysLike}}), false},
		{"hours", described("hours of the day, such as 20:00-06:00; all of it where it is left out. Over midnight they belong to the day on which they begin", shape{kind: text, like: hoursLike}), false},
		{what, described(about, shape{kind: list, elem: &shape{kind: text, enum: calendarActions}}), false},
		{"kinds", described("kinds of things that it is about: guest, power, record, reservation, filter; all where it is left out", shape{kind: list, elem: &shape{kind: text, enum: calendarKinds}}), false},
		{"cohorts", described("cohorts that it is about; without cohorts: and projects: it is about everything", *nameList), false},
		{"projects", described("projects that it is about", *nameList), false},
	}}}
}

func aDay(doc string) *shape { return described(doc, shape{kind: text, like: dateLike}) }

func netShape() *shape {
	return described("a network's name, or Proxmox's own syntax: name=eth0,bridge=vmbr0,ip=dhcp", *aText)
}

// described is a copy of s with a text for editors.
func described(doc string, s shape) *shape {
	s.doc = doc
	return &s
}
