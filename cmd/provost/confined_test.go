package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/projects/example"
)

// nobody is the user of Containerfile.
const nobody = 65532

// TestNoRightsAreNeeded runs the daemon as the container does: a static binary alone
// in an empty root, as a user who owns the state directory and may write nowhere
// else. It makes a campus true, answers, and ends; afterwards nothing stands outside
// of the state directory that did not stand there before.
func TestNoRightsAreNeeded(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can make a process that has no rights at all: run it as root")
	}
	if testing.Short() {
		t.Skip("it builds the binary")
	}
	w := startWorld(t, example.Students)
	config, err := w.Configure("127.0.0.1:0", "1s")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	confine(t, root, w, config)
	before := outside(t, root)

	daemon := exec.Command("/provost", "daemon", "--config", "/etc/provost/provost.yaml")
	daemon.Dir, daemon.Env = "/", []string{"HOME=/var/lib/provost"}
	daemon.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var log strings.Builder
	daemon.Stderr = &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer daemon.Process.Kill() //nolint:errcheck // it has ended, if all went well
	if !statusAppears(w, time.Minute) {
		daemon.Process.Kill() //nolint:errcheck // to read its log
		daemon.Wait()         //nolint:errcheck // it was killed
		t.Fatalf("no commit was answered; the log:\n%s", log.String())
	}
	daemon.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
	if err := daemon.Wait(); err != nil {
		t.Errorf("it ended with %v; the log:\n%s", err, log.String())
	}
	if after := outside(t, root); after != before {
		t.Errorf("outside of the state directory stood\n%s\nand stands\n%s", before, after)
	}
	for _, file := range []string{"provost.db", "mirror", "turn"} {
		if _, err := os.Stat(filepath.Join(root, "var/lib/provost", file)); err != nil {
			t.Errorf("the state directory: %v", err)
		}
	}
}

// buildStatic builds the binary as Containerfile does.
func buildStatic(t *testing.T, file string) {
	t.Helper()
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// confine puts the binary, its configuration and its secrets into an empty root.
func confine(t *testing.T, root string, w *world.World, config string) {
	t.Helper()
	buildStatic(t, filepath.Join(root, "provost"))
	state, etc := filepath.Join(root, "var/lib/provost"), filepath.Join(root, "etc/provost")
	for _, dir := range []string{state, etc} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil { // as the root of a system is
		t.Fatal(err)
	}
	if err := os.Chown(state, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	inside := strings.ReplaceAll(string(text), filepath.Join(w.Dir, "secrets"), "/etc/provost/secrets")
	inside = regexp.MustCompile(`(?m)^state: .*`).ReplaceAllString(inside, "state: /var/lib/provost")
	if err := os.WriteFile(filepath.Join(etc, "provost.yaml"), []byte(inside), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(etc, "secrets"), os.DirFS(filepath.Join(w.Dir, "secrets"))); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(etc, "secrets"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody) // as credentials of a service are
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(etc, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o444)
		} else if err == nil {
			err = os.Chmod(path, 0o555)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// outside lists all files that are not in the state directory, with what they are.
func outside(t *testing.T, root string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(path, filepath.Join(root, "var/lib/provost")+"/") {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if path != filepath.Join(root, "var/lib/provost") {
			fmt.Fprintf(&list, "%s %s %d %s\n", strings.TrimPrefix(path, root), info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339Nano))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}

func statusAppears(w *world.World, patience time.Duration) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, s := range w.GitLab.Statuses(world.Project, w.Commit) {
			if s.Name == "provost/apply" && s.State == "success" {
				return true
			}
		}
	}
	return false
}

// TestServiceUnit holds docs/provost.service to what it promises.
func TestServiceUnit(t *testing.T) {
	unit, err := os.ReadFile(filepath.Join("..", "..", "docs", "provost.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"DynamicUser=yes", "StateDirectory=provost", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes",
		"NoNewPrivileges=yes", "CapabilityBoundingSet=", "NoExecPaths=/", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes", "LockPersonality=yes", "UMask=0077",
	} {
		if !strings.Contains(string(unit), "\n"+line+"\n") {
			t.Errorf("it lacks %s", line)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not on PATH (Debian package systemd), so systemd's own opinion is not heard")
	}
	binary, err := os.Executable() // for one that is there
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "provost.service")
	if err := os.WriteFile(file, []byte(strings.Replace(string(unit), "ExecStart=/usr/local/bin/provost", "ExecStart="+binary, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// From 0.0, shut, to 10.0; what remains is the network, and files that all may read.
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", file).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
