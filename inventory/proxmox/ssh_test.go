package proxmox

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// keyPair writes a private key to a file and returns the public one.
func keyPair(t testing.TB, file string) ssh.PublicKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, pem.EncodeToMemory(block))
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

func writeFile(t testing.TB, file string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startSSHD runs Debian's sshd with a forced command, as on a Proxmox node.
func startSSHD(t *testing.T, command string) SSHConfig {
	t.Helper()
	path, err := exec.LookPath("sshd")
	if err != nil {
		path = "/usr/sbin/sshd"
		if _, err := os.Stat(path); err != nil {
			t.Skip("needs sshd: install Debian's openssh-server")
		}
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skipf("sshd needs /run/sshd: %v", err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	host := keyPair(t, filepath.Join(dir, "host"))
	client := keyPair(t, filepath.Join(dir, "client"))
	writeFile(t, filepath.Join(dir, "authorized_keys"), fmt.Appendf(nil, "restrict,command=%q %s", command, ssh.MarshalAuthorizedKey(client)))
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	config := writeFile(t, filepath.Join(dir, "sshd_config"), fmt.Appendf(nil, `ListenAddress 127.0.0.1
Port %s
HostKey %s/host
AuthorizedKeysFile %s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
`, port, dir, dir))
	cmd := exec.Command(path, "-D", "-e", "-f", config)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for range 100 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return SSHConfig{
		Hosts: []string{addr}, User: me.Username, KeyFile: filepath.Join(dir, "client"),
		KnownHostsFile: writeFile(t, filepath.Join(dir, "known_hosts"), []byte(knownhosts.Line([]string{addr}, host)+"\n")),
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The forced command of the documentation, run by the real sshd and the real tar.
func TestReadOverSSHD(t *testing.T) {
	tree, err := filepath.Abs("testdata/pve")
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string]string{
		"named folders": "cd " + tree + " && exec tar -cf - .vmlist nodes/*/lxc nodes/*/qemu-server",
		"all nodes":     "cd " + tree + " && tar -cf - .vmlist nodes",
		"some files changed while they were read": "cd " + tree + " && tar -cf - .vmlist nodes; exit 1",
	} {
		t.Run(name, func(t *testing.T) {
			cfg := startSSHD(t, command)
			cfg.Hosts = append([]string{freeAddr(t)}, cfg.Hosts...) // the first is down
			files := readOver(t, cfg)
			if len(files.guests) != 3 || files.guests["50003"].name() != "vm-rapamato" || files.guests["50003"].node != "pve2" {
				t.Errorf("read %v", files.guests)
			}
		})
	}
}

func readOver(t *testing.T, cfg SSHConfig) clusterFiles {
	t.Helper()
	r, err := newSSHReader(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestReadOverSSHDRefuses(t *testing.T) {
	tree, err := filepath.Abs("testdata/pve")
	if err != nil {
		t.Fatal(err)
	}
	fail := func(t *testing.T, cfg SSHConfig, want string) {
		t.Helper()
		r, err := newSSHReader(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.read(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	t.Run("a stream that the command did not finish", func(t *testing.T) {
		fail(t, startSSHD(t, "cd "+tree+" && tar -cf - .vmlist nodes; exit 2"), "status 2")
	})
	t.Run("a host key that is not the known one", func(t *testing.T) {
		cfg := startSSHD(t, "true")
		wrong := keyPair(t, filepath.Join(t.TempDir(), "other"))
		writeFile(t, cfg.KnownHostsFile, []byte(knownhosts.Line(cfg.Hosts, wrong)+"\n"))
		fail(t, cfg, "key mismatch")
	})
	t.Run("an ended context", func(t *testing.T) {
		cfg := startSSHD(t, "sleep 60")
		r, err := newSSHReader(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := r.read(ctx); err == nil {
			t.Error("a hanging command was waited for")
		}
	})
}
