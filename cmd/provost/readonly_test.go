package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readOnly makes every mount of a namespace of its own read-only but for one
// directory, makes sure of that, and gives up every right before it runs the rest.
const readOnly = `
state=$1; shift
mount --bind "$state" "$state" || exit 90
while read -r _ dir _; do
	mount -o remount,bind,ro "$dir" || exit 91
done </proc/self/mounts
mount -o remount,bind,rw "$state" || exit 92
for dir in / /etc /usr /var /tmp /dev/shm "${state%/*}"; do
	if touch "$dir/provost-was-here" 2>/dev/null; then rm -f "$dir/provost-was-here"; exit 93; fi
done
exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
`

// TestADemoOnAReadOnlySystem runs the demo as docs/provost.service runs the daemon, as
// far as that can be had without systemd: a user without a capability, on a system of
// which one directory can be written. It makes the campus true, and a new daemon finds
// nothing left to do.
func TestADemoOnAReadOnlySystem(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds the binary")
	}
	for _, program := range []string{"unshare", "setpriv", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on PATH (Debian packages util-linux and mount)", program)
		}
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespace can be had here, which takes root: %s", strings.TrimSpace(string(out)))
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // so that anybody gets at what is below
		t.Fatal(err)
	}
	binary, state := filepath.Join(dir, "provost"), filepath.Join(dir, "state")
	buildStatic(t, binary)
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(state, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	demo := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "sh", "-c", readOnly, "sh", state,
		binary, "demo", "--once", "--students", "2", "--speed", "1000")
	demo.Dir, demo.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "HOME=" + state, "TMPDIR=" + state}
	out, err := demo.CombinedOutput()
	switch code := demo.ProcessState.ExitCode(); {
	case code == 90 || code == 91 || code == 92:
		t.Skipf("this system does not let its mounts be made read-only: %s", out)
	case code == 93:
		t.Fatal("something else than the state directory can be written")
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "second_pass_changes=0\n") {
		t.Errorf("it did not converge:\n%s", out)
	}
	if left, err := os.ReadDir(state); err != nil || len(left) > 0 {
		t.Errorf("the demo left something behind: %v %v", left, err)
	}
}
