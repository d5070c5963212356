package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// declarations are a campus of 20 students in two cohorts and of two projects:
// clones of a desktop whose MAC is let in, plain containers with a reserved
// address and records, a web server with an alias, and two machines.
func declarations(students int) map[string]string {
	zz1, zz2 := "", ""
	for i := 1; i <= students; i++ {
		line := fmt.Sprintf("- {login: s%02d, name: Student %d}\n", i, i)
		if i%3 == 0 {
			zz2 += line
		} else {
			zz1 += line
		}
	}
	return map[string]string{
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
`,
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
template: {kind: ct, base: "images:debian-12-standard", hostname: "vm-{login}", cores: 1, memory: 512, disk: 4, bridge: labs, zone: etu.isima.fr, dhcp: reserve, dns: managed}
students:
` + zz2,
		"projects/wiki.yaml": `cluster: cri
ct:
- {hostname: wiki.srv.isima.fr, base: desktop, cores: 2, memory: 2048, disk: 8, net0: servers, ip: 10.79.0.71/24, power: running, cname: [docs]}
`,
		"projects/cloud.yaml": `cluster: cri
vm:
- {hostname: "tp-{n:02}.srv.isima.fr", base: cloud, clone: linked, count: 2, cores: 2, memory: 1024, disk: 4, net0: servers, ip: 10.79.0.81}
`,
	}
}

// repositoryOf makes a bare repository whose branch main holds the files.
func repositoryOf(t *testing.T, files map[string]string) (dir, commit string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH (Debian package git)")
	}
	work := t.TempDir()
	dir = filepath.Join(t.TempDir(), "campus.git")
	for name, text := range files {
		path := filepath.Join(work, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, work, "init", "--quiet", "--initial-branch=main")
	run(t, work, "add", "--all")
	run(t, work, "commit", "--quiet", "--message", "Open the campus")
	run(t, work, "clone", "--quiet", "--bare", work, dir)
	return dir, strings.TrimSpace(run(t, work, "rev-parse", "HEAD"))
}

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
