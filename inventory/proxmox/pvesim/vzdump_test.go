package pvesim_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// archives are what a storage lists as backups.
func (c *client) archives(t *testing.T, storage string) []map[string]any {
	t.Helper()
	var answer struct{ Data []map[string]any }
	body := c.do("GET", "/nodes/pve1/storage/"+storage+"/content", "content=backup").want(t, 200, "OK").body
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Data
}

// backup makes an archive of a guest and returns its volume.
func (c *client) backup(t *testing.T, vmid string, pairs ...string) string {
	t.Helper()
	pairs = append([]string{"vmid=" + vmid, "storage=vault", "mode=stop", "compress=zstd"}, pairs...)
	up := c.do("POST", "/nodes/pve1/vzdump", pairs...).want(t, 200, "OK").upid()
	if got := c.exit(up); got != "OK" {
		t.Fatalf("the backup ended %s", got)
	}
	all := c.archives(t, "vault")
	volid, _ := all[len(all)-1]["volid"].(string)
	return volid
}

func TestBackupAndRestore(t *testing.T) {
	costs := pvesim.Costs{Backup: time.Second, Restore: time.Second, Local: pvesim.Storage{}, Shared: pvesim.Storage{Throughput: 1 << 30}}
	inBubble(t, pvesim.Options{Costs: costs}, func(t *testing.T, c *client) {
		c.c.AddStorage("vault", "dir", []string{"backup"}, true, 1000)
		addLXC(t, c, 100, false)
		began := time.Now()
		up := c.do("POST", "/nodes/pve1/vzdump", "vmid=100", "storage=vault", "compress=zstd", `notes-template={{guestname}} on {{node}}\nsecond`).want(t, 200, "OK").upid()
		time.Sleep(100 * time.Millisecond)
		c.do("POST", "/nodes/pve1/lxc/100/clone", "newid=101", "full=1").want(t, 500, "CT is locked (backup)")
		if got := c.exit(up); got != "OK" {
			t.Fatalf("the backup ended %s", got)
		}
		if took := time.Since(began).Round(time.Second); took != 9*time.Second { // a second of work, and 8 GiB
			t.Errorf("the backup took %s", took)
		}
		row := c.archives(t, "vault")[0]
		volid := row["volid"].(string)
		if !strings.HasPrefix(volid, "vault:backup/vzdump-lxc-100-2000_01_01-00_00_0") || !strings.HasSuffix(volid, ".tar.zst") ||
			row["notes"] != "ct100 on pve1" || row["vmid"] != 100.0 || row["format"] != "tar.zst" || row["size"] != float64(4<<30) {
			t.Errorf("the archive is listed as %v", row)
		}
		if g, _ := c.c.Guest(100); g.Lock != "" {
			t.Errorf("it is still locked: %s", g.Lock)
		}

		// Two at once: the source is not locked, and they share the storage.
		began = time.Now()
		restore := []string{"restore=1", "unprivileged=1", "ostemplate=" + volid, "hostname=new", "rootfs=ceph:9", "net0=name=eth0,bridge=vmbr0", "description=mine"}
		first := c.do("POST", "/nodes/pve1/lxc", append(restore, "vmid=201")...).want(t, 200, "OK").upid()
		second := c.do("POST", "/nodes/pve1/lxc", append(restore, "vmid=202", "start=1")...).want(t, 200, "OK").upid()
		if g, _ := c.c.Guest(201); g.Lock != "create" || g.Config["description"] != "" {
			t.Errorf("while it is restored it is %+v", g)
		}
		if a, b := c.exit(first), c.exit(second); a != "OK" || b != "OK" {
			t.Fatalf("the restores ended %s and %s", a, b)
		}
		if took := time.Since(began).Round(time.Second); took != 17*time.Second {
			t.Errorf("the restores took %s", took)
		}
		g, _ := c.c.Guest(201)
		h, _ := c.c.Guest(202)
		if g.Config["hostname"] != "new" || g.Config["description"] != "mine\n" || g.Config["tags"] != "base" || g.Config["memory"] != "512" ||
			g.Config["rootfs"] != "ceph:vm-201-disk-0,size=9G" || len(g.Raw) != 0 || g.Status != "stopped" {
			t.Errorf("it is restored as %+v", g)
		}
		if h.Status != "running" || h.Config["net0"] == g.Config["net0"] || strings.Contains(g.Config["net0"], "00:00:01") {
			t.Errorf("the addresses are %s and %s", g.Config["net0"], h.Config["net0"])
		}
	})
}

func TestRestoreTakesWhatIsNotSaid(t *testing.T) {
	_, c := start(t, pvesim.Options{})
	c.c.AddStorage("vault", "dir", []string{"backup"}, true, 1000)
	addLXC(t, c, 100, true)
	volid := c.backup(t, "100")
	up := c.do("POST", "/nodes/pve1/lxc", "vmid=201", "restore=1", "unprivileged=1", "unique=1", "ostemplate="+volid, "storage=btr", "net0=name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:AA:AA").want(t, 200, "OK").upid()
	if got := c.exit(up); got != "OK" {
		t.Fatal(got)
	}
	g, _ := c.c.Guest(201)
	if g.Config["hostname"] != "ct100" || !strings.HasPrefix(g.Config["rootfs"], "btr:201/base-201-disk-0.raw,") || !strings.Contains(g.Config["rootfs"], "size=8G") {
		t.Errorf("it is restored as %+v", g)
	}
	// Who restores a template gets a template; unique overrides what the request says.
	if !g.Template || strings.Contains(g.Config["net0"], "AA:AA") || strings.Contains(g.Config["net0"], "00:00:01") {
		t.Errorf("it is restored as %+v", g)
	}
}

func TestRestoreOverwrites(t *testing.T) {
	_, c := start(t, pvesim.Options{})
	c.c.AddStorage("vault", "dir", []string{"backup"}, true, 1000)
	addLXC(t, c, 100, false)
	volid := c.backup(t, "100")
	restore := func(pairs ...string) answer {
		return c.do("POST", "/nodes/pve1/lxc", append([]string{"vmid=100", "restore=1", "unprivileged=1", "storage=ceph", "ostemplate=" + volid}, pairs...)...)
	}
	restore("hostname=b").want(t, 500, "CT 100 already exists on node 'pve1'")
	c.c.SetStatus(100, "running")
	restore("force=1").want(t, 500, "can't overwrite running container")
	c.c.SetStatus(100, "stopped")
	if got := c.exit(restore("force=1", "hostname=b").want(t, 200, "OK").upid()); got != "OK" {
		t.Fatal(got)
	}
	if g, _ := c.c.Guest(100); g.Config["hostname"] != "b" || g.Lock != "" {
		t.Errorf("it is restored as %+v", g)
	}
}

func TestBackupRefusals(t *testing.T) {
	_, c := start(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}})
	c.c.AddStorage("vault", "dir", []string{"backup"}, true, 1000)
	addLXC(t, c, 100, false)
	dump := "/nodes/pve1/vzdump"
	for _, tt := range []struct {
		pairs []string
		exit  string
	}{
		{[]string{"vmid=100", "storage=ceph"}, "could not get storage information for 'ceph': can't use storage 'ceph' for backups - wrong content type"},
		{[]string{"vmid=999", "storage=vault"}, "job errors"},
	} {
		if got := c.exit(c.do("POST", dump, tt.pairs...).want(t, 200, "OK").upid()); got != tt.exit {
			t.Errorf("%v ended %s", tt.pairs, got)
		}
	}
	if up := c.do("POST", "/nodes/pve2/vzdump", "vmid=100", "storage=vault").want(t, 200, "OK").upid(); up != "OK" {
		t.Errorf("the other node answers %q", up)
	}
	c.c.HoldLock(100, "disk")
	if got := c.exit(c.do("POST", dump, "vmid=100", "storage=vault").upid()); got != "job errors" {
		t.Errorf("of a locked guest it ended %s", got)
	}
	c.c.HoldLock(100, "")
	c.do("POST", dump, "vmid=100", "storage=vault", "tmpdir=/x").want(t, 400, "Parameter verification failed.")
	c.do("POST", dump, "vmid=100", "storage=vault", "notes-template=a\nb").want(t, 400, "Parameter verification failed.")
	c.do("POST", dump, "vmid=100", "notes-template=a").want(t, 400, "Parameter verification failed.") // requires storage
	c.do("POST", dump, "all=1").want(t, 500, "the double backs up the one guest that vmid names, and knows no all")

	open := c.backup(t, "100")
	held := c.backup(t, "100", "protected=1")
	if n := len(c.archives(t, "vault")); n != 2 {
		t.Fatalf("%d archives", n)
	}
	content := "/nodes/pve1/storage/vault/content/"
	if got := c.exit(c.do("DELETE", content+held).want(t, 200, "OK").upid()); !strings.HasPrefix(got, "cannot remove protected volume 'backup/") {
		t.Errorf("what is protected is deleted: %s", got)
	}
	c.do("POST", "/nodes/pve1/lxc", "vmid=300", "restore=1", "ostemplate=local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz", "storage=ceph").
		want(t, 500, "unable to use volume local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz - content type needs to be 'backup'")
	privileged := c.do("POST", "/nodes/pve1/lxc", "vmid=301", "restore=1", "ostemplate="+open, "storage=ceph").want(t, 200, "OK").upid()
	if got := c.exit(privileged); got != "OK" { // root may
		t.Error(got)
	}

	root := c.token
	rights := []string{"VM.Backup", "VM.Allocate", "VM.Config.Options", "Datastore.AllocateSpace", "Datastore.Audit", "SDN.Use", "Sys.Audit"}
	for i, want := range []string{
		0: "Permission check failed (/vms/100, VM.Backup)",
		3: "Permission check failed (/storage/vault, Datastore.AllocateSpace)",
	} {
		if want == "" {
			continue
		}
		c.token = c.c.AddToken("a@pve", rights[i], map[string][]string{"/": slices.Delete(slices.Clone(rights), i, i+1)})
		answers := map[string]answer{
			"backup":  c.do("POST", dump, "vmid=100", "storage=vault"),
			"restore": c.do("POST", "/nodes/pve1/lxc", "vmid=302", "restore=1", "unprivileged=1", "ostemplate="+open, "storage=ceph"),
			"delete":  c.do("DELETE", content+open),
		}
		c.token = root
		for name, a := range answers {
			got := a.reason
			if a.status == 200 { // a backup is refused in its task
				got = c.exit(a.upid())
			}
			if got != want {
				t.Errorf("%s without %s: %s", name, rights[i], got)
			}
		}
	}
	if got := c.exit(c.do("DELETE", content+open).want(t, 200, "OK").upid()); got != "OK" {
		t.Error(got)
	}
	gone := c.do("POST", "/nodes/pve1/lxc", "vmid=303", "restore=1", "unprivileged=1", "ostemplate="+open, "storage=ceph").want(t, 200, "OK").upid()
	if got := c.exit(gone); got != "unable to restore CT 303 - can't find file '"+open+"'" {
		t.Error(got)
	}
	if _, there := c.c.Guest(303); there {
		t.Error("a restore that failed leaves its container")
	}
}
