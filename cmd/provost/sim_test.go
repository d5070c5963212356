package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// startSim runs the command on free ports until the test ends and returns what
// it printed, by name.
func startSim(t *testing.T, args ...string) map[string]string {
	t.Helper()
	facts, stop, err := runSim(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(facts["authority"]); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it left %s behind: %v", facts["authority"], err)
		}
	})
	return facts
}

// TestSim: every node answers whoever trusts the printed authority and has the
// printed token; SSH lets the printed key in; the other doubles listen.
func TestSim(t *testing.T) {
	facts := startSim(t, "--nodes", "3", "--preset", "slow-nfs", "--speed", "100", "--windows", "127.0.0.1:0", "--forge", "127.0.0.1:0")
	ca, err := os.ReadFile(facts["authority"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	for _, node := range []string{"pve1", "pve2", "pve3"} {
		req, err := http.NewRequest("GET", facts[node]+"/api2/json/cluster/resources?type=vm", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "PVEAPIToken="+facts["token"])
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), `"id":"lxc/9000"`) {
			t.Errorf("%s: %s %s %v", node, resp.Status, body, err)
		}
	}
	key, err := os.ReadFile(facts["SSH key"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ssh.ParsePrivateKey(key); err != nil {
		t.Error(err)
	}
	if n := len(strings.Fields(facts["SSH"])); n != 3 {
		t.Errorf("SSH listens on %d addresses", n)
	}
	for _, double := range []string{"Windows", "GitLab"} {
		if !strings.Contains(facts[double], "://127.0.0.1:") {
			t.Errorf("%s is at %q", double, facts[double])
		}
	}
}

// runSim runs the command until stop is called.
func runSim(args ...string) (facts map[string]string, stop func() error, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	out, w := io.Pipe()
	var complaint bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, &terminal{out: w, err: &complaint}, append([]string{"sim", "--listen", "127.0.0.1:0"}, args...))
		w.Close()
		ended <- code
	}()
	stop = func() error {
		cancel()
		if code := <-ended; code != exitOK {
			return fmt.Errorf("it ended with %d: %s", code, complaint.String())
		}
		return nil
	}
	var text strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(text.String(), "Ctrl-C ends it."); {
		n, err := out.Read(buffer)
		if err != nil {
			return nil, nil, stop()
		}
		text.Write(buffer[:n])
	}
	facts = map[string]string{}
	for line := range strings.Lines(text.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			facts[name] = strings.TrimSpace(value)
		}
	}
	return facts, stop, nil
}

func TestSimRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"--listen 0.0.0.0:8006":         "--listen: 0.0.0.0:8006 is not an address of loopback",
		"--listen pve.example.org:8006": "is not an address of loopback",
		"--windows 192.0.2.1:5986":      "--windows: 192.0.2.1:5986 is not an address of loopback",
		"--forge :80":                   "--forge: :80 is not an address of loopback",
		"--nodes 0":                     "--nodes: 0 is not from 1 to 32",
		"--speed 0":                     "--speed: 0 is not above 0",
		"--preset huge":                 `there is no preset "huge", only campus, slow-nfs, tiny`,
	} {
		var out, complaint bytes.Buffer
		if !strings.Contains(args, "--listen") {
			args += " --listen 127.0.0.1:0"
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		code := run(ctx, &terminal{out: &out, err: &complaint}, append([]string{"sim"}, strings.Fields(args)...))
		if code != exitError || !strings.Contains(complaint.String(), want) {
			t.Errorf("sim %s: %d, %s%s", args, code, out.String(), complaint.String())
		}
	}
}

// token cuts user@realm!name=value.
func token(t *testing.T, full string) (user, name, value string) {
	t.Helper()
	user, rest, ok := strings.Cut(full, "!")
	name, value, ok2 := strings.Cut(rest, "=")
	if !ok || !ok2 {
		t.Fatalf("%q is no token", full)
	}
	return user, name, value
}

// debianPython is the interpreter that Debian's modules are for.
const debianPython = "/usr/bin/python3"

// TestProxmoxerOnSim: a client that knows the real API finds it here.
func TestProxmoxerOnSim(t *testing.T) {
	t.Parallel()
	if err := exec.Command(debianPython, "-c", "import proxmoxer").Run(); err != nil {
		t.Skipf("Debian's python3-proxmoxer is not installed (%v)", err)
	}
	facts := startSim(t, "--nodes", "2", "--speed", "10")
	user, name, value := token(t, facts["token"])
	cmd := exec.CommandContext(t.Context(), debianPython, "testdata/lifecycle.py",
		strings.TrimPrefix(facts["pve1"], "https://"), facts["authority"], user, name, value, "ceph")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all is well") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestAnsibleOnSim: its modules find what they expect.
func TestAnsibleOnSim(t *testing.T) {
	t.Parallel()
	playbook, err := exec.LookPath("ansible-playbook")
	if err != nil {
		t.Skip("Debian's ansible is not installed: there is no ansible-playbook")
	}
	if testing.Short() {
		t.Skip("Ansible takes 20 s to start its modules")
	}
	facts := startSim(t, "--nodes", "2", "--speed", "20")
	user, name, value := token(t, facts["token"])
	vars := filepath.Join(t.TempDir(), "vars.yml")
	text := strings.Join([]string{"address: '" + strings.TrimPrefix(facts["pve1"], "https://") + "'", "user: " + user,
		"token_name: " + name, "token_value: " + value, "storage: ceph", "ansible_python_interpreter: " + debianPython, ""}, "\n")
	if err := os.WriteFile(vars, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), playbook, "--inventory", "localhost,", "--connection", "local",
		"--extra-vars", "@"+vars, "testdata/lifecycle.yml")
	cmd.Env = append(os.Environ(), "ANSIBLE_HOME="+t.TempDir(), "ANSIBLE_LOCAL_TEMP="+t.TempDir(), "ANSIBLE_NOCOLOR=1", "ANSIBLE_RETRY_FILES_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && strings.Contains(string(out), "couldn't resolve module/action") {
		t.Skip("Debian's ansible is not installed: ansible-core alone has no community.general.proxmox")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
