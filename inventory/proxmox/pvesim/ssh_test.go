package pvesim_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"

	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readPVE runs the forced command and unpacks what it answers.
func readPVE(conn *ssh.Client, command string) (map[string]string, error) {
	s, err := conn.NewSession()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out, err := s.Output(command)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		files[h.Name] = string(b)
	}
}

func dialSSH(addr string, key ssh.Signer, host ssh.PublicKey) (*ssh.Client, error) {
	return ssh.Dial("tcp", addr, sshConfig(key, host))
}

func sshConfig(key ssh.Signer, host ssh.PublicKey) *ssh.ClientConfig {
	return &ssh.ClientConfig{User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(host)}
}

func TestReadOverSSH(t *testing.T) {
	cl, c := start(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}})
	addLXC(t, c, 100, true)
	addQEMU(t, c, 900)
	key := newKey(t)
	if _, err := dialSSH(cl.SSHAddr(), key, cl.SSHHostKey()); err == nil {
		t.Fatal("an unknown key was let in")
	}
	cl.AuthorizeSSH(key.PublicKey())
	if _, err := dialSSH(cl.SSHAddr(), key, key.PublicKey()); err == nil {
		t.Fatal("the server has any host key")
	}
	cl.NodeDown("pve1")
	conn, err := dialSSH(cl.SSHAddrs()[1], key, cl.SSHHostKey())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := readPVE(conn, "rm -rf /"); err == nil {
		t.Error("another command was run")
	}
	if files, err := readPVE(conn, "versions"); err != nil || len(files) != 1 || files[".vmlist"] == "" {
		t.Errorf("versions: %v, %v", files, err)
	}
	files, err := readPVE(conn, "read")
	if err != nil {
		t.Fatal(err)
	}
	if got := files["nodes/pve1/lxc/100.conf"]; got != cl.File(100) || got == "" {
		t.Errorf("100.conf is %q", got)
	}
	if files["nodes/pve1/qemu-server/900.conf"] != cl.File(900) {
		t.Errorf("900.conf is %q", files["nodes/pve1/qemu-server/900.conf"])
	}
	if cl.SSHReads() != 2 {
		t.Errorf("%d reads are counted", cl.SSHReads())
	}
}

// TestSSHInMemory: the server also works where a write waits for its reader.
func TestSSHInMemory(t *testing.T) {
	key := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		var mem memnet.Network
		cl, err := pvesim.Start(pvesim.Options{Listen: mem.Listen, Unlogged: true})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		cl.AuthorizeSSH(key.PublicKey())
		raw, err := mem.Dial(context.Background(), "tcp", cl.SSHAddr())
		if err != nil {
			t.Fatal(err)
		}
		conn, chans, reqs, err := ssh.NewClientConn(raw, cl.SSHAddr(), sshConfig(key, cl.SSHHostKey()))
		if err != nil {
			t.Fatal(err)
		}
		client := ssh.NewClient(conn, chans, reqs)
		defer client.Close()
		files, err := readPVE(client, "")
		if err != nil || files[".vmlist"] == "" {
			t.Errorf("read %v, %v", files, err)
		}
	})
}

// versions reads .vmlist.
func versions(t *testing.T, cl *pvesim.Cluster, conn *ssh.Client) (list int, byID map[string]int) {
	t.Helper()
	files, err := readPVE(conn, "")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Version int
		IDs     map[string]struct {
			Node, Type string
			Version    int
		}
	}
	if err := json.Unmarshal([]byte(files[".vmlist"]), &v); err != nil {
		t.Fatalf("%s\n%s", err, files[".vmlist"])
	}
	byID = map[string]int{}
	for id, e := range v.IDs {
		byID[id] = e.Version
	}
	return v.Version, byID
}

// TestVersions: a file's version rises with any write of it and nothing else.
func TestVersions(t *testing.T) {
	cl, c := start(t, pvesim.Options{})
	addLXC(t, c, 100, true)
	addLXC(t, c, 200, false)
	cl.AddPool("labs", "")
	key := newKey(t)
	cl.AuthorizeSSH(key.PublicKey())
	conn, err := dialSSH(cl.SSHAddr(), key, cl.SSHHostKey())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tests := []struct {
		what, method, path, param, id string
		rises                         bool
	}{
		{"an identical PUT", "PUT", "/nodes/pve1/lxc/200/config", "memory=512", "200", true},
		{"a refused PUT", "PUT", "/nodes/pve1/lxc/200/config", "memory=x", "200", false},
		{"a read", "GET", "/nodes/pve1/lxc/200/config", "", "200", false},
		{"a pool change", "PUT", "/pools", "poolid=labs", "200", false},
		{"a start", "POST", "/nodes/pve1/lxc/200/status/start", "", "200", false},
		{"a stop", "POST", "/nodes/pve1/lxc/200/status/stop", "", "200", true},
		{"being a clone's source", "POST", "/nodes/pve1/lxc/100/clone", "newid=101", "100", true},
		{"a change of another guest", "PUT", "/nodes/pve1/lxc/101/config", "memory=64", "200", false},
	}
	for _, test := range tests {
		_, before := versions(t, cl, conn)
		params := []string{test.param}
		if test.param == "" {
			params = nil
		}
		c.do(test.method, test.path, params...)
		list, after := versions(t, cl, conn)
		if rose := after[test.id] > before[test.id]; rose != test.rises {
			t.Errorf("with %s the version rises: %v", test.what, rose)
		}
		if list < after[test.id] {
			t.Errorf("the list's version is %d, a guest's %d", list, after[test.id])
		}
	}
}
