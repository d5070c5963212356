package projects

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// sample is what shows that a key is read: beside the context, adding it changes
// what is desired, or what is refused.
type sample struct{ context, text string }

// machineSamples are for machines; "vm " before the text is for QEMU.
var machineSamples = map[string]sample{
	"hostname": {}, // every sample has one
	"name":     {}, "flavour": {}, "login": {},
	"description": {"", "description: a text"}, "node": {"", "node: pve2"}, "base": {"", "base: other"},
	"clone": {"", "clone: linked"}, "cores": {"", "cores: 7"}, "memory": {"", "memory: 777"}, "swap": {"", "swap: 7"},
	"disk": {"", "disk: 7"}, "rootfs": {"", "rootfs: 7"}, "storage": {"", "storage: other"}, "bridge": {"", "bridge: bare"},
	"net0": {"", "net0: bare"}, "net1": {"", "net1: lan"}, "net2": {"", "net2: lan"}, "net3": {"", "net3: lan"},
	"features": {"", "features: nesting=1"}, "nameserver": {"", "nameserver: 10.0.0.9"}, "searchdomain": {"", "searchdomain: x.fr"},
	"onboot": {"", "onboot: true"}, "pool": {"", "pool: p"}, "tags": {"", "tags: [t]"}, "ssh-public-keys": {"", "ssh-public-keys: k"},
	"ciuser": {"", "ciuser: bob"}, "zone": {"net0: lan, ip: 10.0.0.5", "zone: x.fr"}, "gw": {"net0: lan, ip: 10.0.0.5", "gw: 10.0.0.253"},
	"gw6": {`net0: lan, ip6: "fd00::5"`, `gw6: "fd00::9"`}, "dhcp": {"net0: wlan", "dhcp: none"},
	"addresses": {"net0: wlan, dhcp: reserve", "addresses: 10.0.1.200"}, "dns": {"net0: lan, ip: 10.0.0.5, zone: x.fr", "dns: none"},
	"power": {"", "power: ignore"}, "reboot": {"", "reboot: now"}, "rebuild": {"", "rebuild: 3"}, "count": {"", "count: 2"},
	"ip": {"net0: lan", "ip: 10.0.0.5"}, "ip6": {"net0: lan", `ip6: "fd00::5"`}, "mac": {"", `mac: "02:00:00:00:00:09"`},
	"vmid": {"", "vmid: 20007"}, "cname": {"zone: x.fr", "cname: [a]"}, "txt": {"zone: x.fr", "txt: {a: b}"},
	"adopt": {"", "adopt: {vmid: 321}"}, "was": {"", "was: former"},
}

// meaning is all that a tree says.
func meaning(t *testing.T, tree Tree) string {
	t.Helper()
	c := Load(tree)
	d := c.Desired(nil)
	var b strings.Builder
	b.WriteString(show(d.Resources))
	fmt.Fprint(&b, d.Reboots)
	for _, p := range d.Problems {
		b.WriteString(p.Message + "\n")
	}
	return b.String()
}

// differs loads a file with and without a text and reports whether it matters.
func differs(t *testing.T, path, without, with string) bool {
	t.Helper()
	return meaning(t, tree(t, path, without)) != meaning(t, tree(t, path, with))
}

// TestEveryMachineKeyIsRead holds the tables to the readers: a key that nothing
// reads would be a promise that nothing keeps.
func TestEveryMachineKeyIsRead(t *testing.T) {
	student := cohortShape.find("students").shape.elem
	for _, k := range student.keys {
		s, known := machineSamples[k.name]
		if !known {
			t.Errorf("no sample shows what %s does", k.name)
		}
		if s.text == "" {
			continue
		}
		// What the sample says outweighs what the machine would be without.
		machine := func(extra string) string {
			said := strings.Join([]string{s.context, extra}, ", ")
			line := "hostname: \"m{n}\", count: 1"
			for _, pair := range []string{"base: debian", "cores: 1", "memory: 512", "net0: wlan"} {
				name, _, _ := strings.Cut(pair, ":")
				if !strings.Contains(said, name+":") && !(name == "net0" && strings.Contains(said, "bridge:")) {
					line += ", " + pair
				}
			}
			switch k.name {
			case "count", "mac", "vmid", "was", "adopt", "cname", "txt":
				line = strings.Replace(line, "\"m{n}\", count: 1", "\"m\"", 1)
			}
			for _, more := range []string{s.context, extra} {
				if more != "" {
					line += ", " + more
				}
			}
			return "cluster: cri\nct:\n- {" + line + "}\n"
		}
		if !differs(t, "projects/a.yaml", machine(""), machine(s.text)) {
			t.Errorf("%s changes nothing: is it read?", k.name)
		}
	}
}

// TestEveryOtherKeyIsRead does the same for what is not a machine.
func TestEveryOtherKeyIsRead(t *testing.T) {
	const cohort = "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate: {base: debian, cores: 1, memory: 512, net0: wlan}\n"
	const students = "students: [{login: ada}]\n"
	const campus = "apiVersion: provost/v1\nkind: Campus\nname: test\nclusters: {cri: {vmids: 20000-20999, nodes: [pve1]}}\n"
	const one = "cluster: cri\nct: [{hostname: m.x.fr, base: debian, cores: 1, memory: 512, net0: lan%s}]\n"
	project := func(extra string) Tree {
		return Tree{"projects/a.yaml": File{Data: []byte(strings.Replace(one, "%s", extra, 1))}}
	}
	with := func(tree Tree, text string) Tree {
		tree = maps.Clone(tree)
		tree[campusFile] = File{Data: []byte(campus + text)}
		return tree
	}
	inCohort := func(text string) Tree { return tree(t, "cohorts/a.yaml", cohort+text, "cohorts/a.csv", "login\neve\n") }
	inProject := func(text string) Tree { return tree(t, "projects/a.yaml", strings.Replace(one, "%s", "", 1)+text) }
	lan := "networks: {lan: {cluster: cri, cidr: 10.0.0.0/24%s}}\n"
	net := func(machine, extra string) Tree {
		return with(project(machine), strings.Replace(lan, "%s", extra, 1)+"zones: {x.fr: {system: ad}}\n")
	}
	dhcp := ", dhcp: {system: ad%s}"
	pairs := map[string][2]Tree{
		"project workspace": {inProject(""), inProject("workspace: lab\n")},
		"project vm":        {inProject(""), inProject("vm: [{hostname: v, base: 9, cores: 1, memory: 512, net0: lan}]\n")},
		"project defaults":  {inProject(""), inProject("defaults: {swap: 5}\n")},
		"cohort workspace":  {inCohort(students), inCohort(students + "workspace: lab\n")},
		"cohort title":      {inCohort(students), inCohort(students + "title: Second year\n")},
		"cohort roster":     {inCohort(students), inCohort(students + "roster: a.csv\n")},
		"cohort students":   {inCohort(""), inCohort(students)},
		"cohort name":       {inCohort(students), inCohort("students: [{login: ada, name: Ada}]\n")},
		"cohort flavours": {inCohort("students: [{login: ada, flavour: f}]\nflavours: {f: {cores: 2}}\n"),
			inCohort("students: [{login: ada, flavour: f}]\nflavours: {f: {cores: 3}}\n")},
		"template kind": {inCohort(students), tree(t, "cohorts/a.yaml", strings.Replace(cohort, "{base", "{kind: vm, base", 1)+students,
			"cohorts/a.csv", "login\neve\n")},
		"network bridge":     {net("", ""), net("", ", bridge: vmbr7")},
		"network tag":        {net("", ""), net("", ", tag: 7")},
		"network cidr":       {net(", ip: 10.0.0.5", ""), net(", ip: 10.0.9.5", "")},
		"network gateway":    {net(", ip: 10.0.0.5", ""), net(", ip: 10.0.0.5", ", gateway: 10.0.0.1")},
		"network cidr6":      {net(`, ip6: "fd00::5"`, ""), net(`, ip6: "fd00::5"`, `, cidr6: "fd00::/64"`)},
		"network gateway6":   {net(`, ip6: "fd00::5"`, `, cidr6: "fd00::/64"`), net(`, ip6: "fd00::5"`, `, cidr6: "fd00::/64", gateway6: "fd00::1"`)},
		"network nameserver": {net(", ip: 10.0.0.5", ""), net(", ip: 10.0.0.5", ", nameserver: 10.0.0.2")},
		"network dhcp":       {net("", ""), net("", strings.Replace(dhcp, "%s", "", 1))},
		"dhcp scope": {net(", dhcp: reserve, addresses: 10.0.0.7", strings.Replace(dhcp, "%s", "", 1)),
			net(", dhcp: reserve, addresses: 10.0.0.7", strings.Replace(dhcp, "%s", ", scope: 10.0.0.128", 1))},
		"dhcp addresses": {net(", dhcp: reserve", strings.Replace(dhcp, "%s", "", 1)),
			net(", dhcp: reserve", strings.Replace(dhcp, "%s", ", addresses: 10.0.0.7", 1))},
		"zone ttl": {with(project(", ip: 10.0.0.5"), strings.Replace(lan, "%s", "", 1)+"zones: {x.fr: {system: ad}}\n"),
			with(project(", ip: 10.0.0.5"), strings.Replace(lan, "%s", "", 1)+"zones: {x.fr: {system: ad, ttl: 7}}\n")},
		"zone system": {with(project(", ip: 10.0.0.5"), strings.Replace(lan, "%s", "", 1)+"zones: {x.fr: {system: ad}}\n"),
			with(project(", ip: 10.0.0.5"), strings.Replace(lan, "%s", "", 1)+"zones: {x.fr: {system: pdns}}\n")},
	}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		if a, b := meaning(t, pairs[name][0]), meaning(t, pairs[name][1]); a == b {
			t.Errorf("%s changes nothing: is it read?", name)
		}
	}
}

// TestAnsibleIsChecked: its play comes from elsewhere, but a mistake is told now.
func TestAnsibleIsChecked(t *testing.T) {
	for text, want := range map[string]int{
		"ansible: {playbook: a.yml, group: g, tags: [a, b], extravars: {deep: [1, {x: ~}]}}\n": 0,
		"ansible: {playbook: a.yml, tags: 'a, b'}\n":                                           0,
		"ansible: {playbook: a.yml, extravar: {}}\n":                                           1,
		"ansible: {group: g}\n":                                                                1,
		"ansible: {playbook: a.yml, extravars: {a: &x 1, b: *x}}\n":                            1,
		"ansible: a.yml\n": 1,
	} {
		if p := Load(tree(t, "projects/a.yaml", "cluster: cri\n"+text)).Problems(); len(p) != want {
			t.Errorf("%s: %v", text, p)
		}
	}
}
