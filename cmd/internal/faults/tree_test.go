package faults

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// semester is what a campus declares: students in two cohorts, a web server with an
// alias, and two machines.
type semester struct {
	students int
	gone     []string // logins of those who have left
	wiki, tp int      // MiB of memory; 2048 and 1024 unless told
	noAlias  bool
	resolver string // of the wiki, which takes it at its next start
	campus   string // more of campus.yaml
	after    int    // which semester it follows, on a branch of its own; 0 for the one before it
}

// names are those of all machines that are declared.
func (s semester) names() []string {
	names := []string{"wiki.srv.isima.fr", "tp-01.srv.isima.fr", "tp-02.srv.isima.fr"}
	for i := 1; i <= s.students; i++ {
		if login := fmt.Sprintf("s%02d", i); !slices.Contains(s.gone, login) {
			names = append(names, "vm-"+login)
		}
	}
	return names
}

// files are the declarations: clones of a desktop whose MAC is let in, plain
// containers with a reserved address and records, of which none is kept when its
// student leaves, and the machines of two projects.
func (s semester) files() map[string]string {
	zz1, zz2 := "", ""
	for i := 1; i <= s.students; i++ {
		login := fmt.Sprintf("s%02d", i)
		line := fmt.Sprintf("- {login: %s, name: Student %d}\n", login, i)
		switch {
		case slices.Contains(s.gone, login):
		case i%3 == 0:
			zz2 += line
		default:
			zz1 += line
		}
	}
	wiki := fmt.Sprintf("memory: %d", cmp.Or(s.wiki, 2048))
	if !s.noAlias {
		wiki += ", cname: [docs]"
	}
	if s.resolver != "" {
		wiki += ", reboot: now, nameserver: " + s.resolver
	}
	return map[string]string{
		"policies/limits.yaml": limits(s.students), "policies/desks.rego": desks,
		"campus.yaml": `apiVersion: provost/v1
kind: Campus
name: isima
clusters:
  cri: {vmids: 20000-20099, nodes: [pve1, pve2, pve3], defaults: {storage: disks, pool: lab}}
networks:
  servers: {cluster: cri, cidr: 10.79.0.0/24, gateway: 10.79.0.1}
  labs: {cluster: cri, cidr: 10.84.0.0/24, gateway: 10.84.0.1, dhcp: {system: ad, addresses: 10.84.0.100-10.84.0.200}}
  students: {cluster: cri, cidr: 10.85.0.0/24, gateway: 10.85.0.1, dhcp: {system: ad}}
zones:
  etu.isima.fr: {system: ad}
  srv.isima.fr: {system: ad}
  84.10.in-addr.arpa: {system: ad}
  79.10.in-addr.arpa: {system: ad}
` + s.campus,
		"cohorts/zz1.yaml": `apiVersion: provost/v1
kind: Cohort
title: ZZ1
cluster: cri
template: {kind: ct, base: desktop, hostname: "vm-{login}", cores: 2, memory: 1024, disk: 8, bridge: students, zone: etu.isima.fr}
students:
` + zz1,
		"cohorts/zz2.yaml": `apiVersion: provost/v1
kind: Cohort
title: ZZ2
cluster: cri
retain: 0
template: {kind: ct, base: "images:debian-12-standard", hostname: "vm-{login}", cores: 1, memory: 512, disk: 4, bridge: labs, zone: etu.isima.fr, dhcp: reserve, dns: managed}
students:
` + zz2,
		"projects/wiki.yaml": `cluster: cri
ct:
- {hostname: wiki.srv.isima.fr, base: desktop, cores: 2, disk: 8, net0: servers, ip: 10.79.0.71/24, power: running, ` + wiki + `}
`,
		"projects/cloud.yaml": fmt.Sprintf(`cluster: cri
vm:
- {hostname: "tp-{n:02}.srv.isima.fr", base: cloud, clone: linked, count: 2, cores: 2, memory: %d, reboot: now, disk: 4, net0: servers, ip: 10.79.0.81}
`, cmp.Or(s.tp, 1024)),
	}
}

// limits leave room for what is declared and for nothing else: a machine that
// stands twice, or is counted twice, finds none.
func limits(students int) string {
	return fmt.Sprintf(`apiVersion: provost/v1
kind: Limits
quotas:
  student: {default: {guests: 1, cores: 2, memory: 1 GiB, disk: 8 GiB}}
  project: {default: {guests: 2, memory: 4 GiB, disk: 8 GiB}}
  cluster: {except: {cri: {guests: %d}}}
allow:
- {for: cohort/*, nodes: [pve*], storages: [disks], bridges: [students, labs], bases: [desktop, "images:debian-*"], zones: [etu.isima.fr]}
- {for: project/*, bridges: [servers]}
names:
- {for: cohort/*, like: "vm-{student}"}
- {for: project/*, like: "*.srv.isima.fr"}
`, students+3)
}

// desks is a rule of the campus's own.
const desks = `# METADATA
# title: Desks
# description: What students may have their machines do.
package campus.desks

# METADATA
# title: A student's machine that starts with its node
# description: Only servers start by themselves.
deny contains {"msg": "only servers start with their node", "id": c.id, "meta": rego.metadata.rule()} if {
	some c in input.plan.changes
	c.kind == "guest"
	c.owner.student != ""
	c.after.onboot == 1
}
`

// repositoryOf makes a bare repository whose branch main has a commit for each
// semester, the last of which it is at, but for those on branches of their own.
func repositoryOf(t *testing.T, semesters ...semester) (dir string, commits []string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH (Debian package git)")
	}
	work := t.TempDir()
	dir = filepath.Join(t.TempDir(), "campus.git")
	run(t, work, "init", "--quiet", "--initial-branch=main")
	for n, s := range semesters {
		if s.after > 0 {
			run(t, work, "checkout", "--quiet", "-b", branchOf(n+1), commits[s.after-1])
		}
		for name, text := range s.files() {
			path := filepath.Join(work, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		run(t, work, "add", "--all")
		run(t, work, "commit", "--quiet", "--message", fmt.Sprint("Semester ", n+1))
		commits = append(commits, strings.TrimSpace(run(t, work, "rev-parse", "HEAD")))
	}
	run(t, work, "clone", "--quiet", "--bare", "--no-local", "--template=", work, dir) // packed: each case takes a copy
	return dir, commits
}

// branchOf is the branch that a semester has for itself.
func branchOf(semester int) string { return fmt.Sprint("semester-", semester) }

// run runs git, undisturbed by the configuration of whoever runs this test.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Camille", "GIT_AUTHOR_EMAIL=camille@isima.fr", "GIT_COMMITTER_NAME=Camille", "GIT_COMMITTER_EMAIL=camille@isima.fr",
		"GIT_AUTHOR_DATE=2000-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2000-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", args[0], err, out)
	}
	return string(out)
}
