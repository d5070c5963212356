package proxmox

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

func refusal(status int, text string) *apiError {
	e := &apiError{method: "PUT", path: "/nodes/pve1/lxc/100/config", token: "provost@pve!x"}
	e.status, e.reason, e.sent = status, text, status != 0
	return e
}

func refusedRead(status int, text string) *apiError {
	e := refusal(status, text)
	e.method = "GET"
	return e
}

func TestStateOf(t *testing.T) {
	lost := refusal(0, "")
	lost.sent, lost.exchange.err = true, errors.New("EOF")
	unsent := refusal(0, "")
	unsent.exchange.err = errors.New("connection refused")
	for _, tt := range []struct {
		err  error
		want inventory.State
	}{
		{nil, inventory.StateDone},
		{refusal(500, "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"), inventory.StateRetry},
		{refusal(500, "CT is locked (disk)"), inventory.StateRetry},
		{refusal(500, "got no worker upid - start worker failed"), inventory.StateRetry},
		{refusal(500, "detected modified configuration - file changed by other user? Try again."), inventory.StateRetry},
		{refusal(500, "some new trouble"), inventory.StateRetry},
		{refusal(595, "Connection refused"), inventory.StateRetry},
		{refusal(596, "Connection timed out"), inventory.StateUnknown},
		{refusal(504, "Gateway Time-out"), inventory.StateUnknown},
		{refusedRead(596, "Connection timed out"), inventory.StateRetry},
		{refusal(500, "storage 'x' does not exist"), inventory.StateFailed},
		{refusal(500, "parameter 'storage' not allowed for linked clones"), inventory.StateFailed},
		{refusal(400, "Parameter verification failed."), inventory.StateFailed},
		{refusal(401, "Authentication failed!"), inventory.StateFailed},
		{refusal(403, "Permission check failed (/vms/330, VM.Audit)"), inventory.StateFailed},
		{refusal(501, "Method 'GET /nosuch' not implemented"), inventory.StateFailed},
		{lost, inventory.StateUnknown},
		{unsent, inventory.StateRetry},
		{context.Canceled, inventory.StateUnknown},
		{&taskError{exit: "CT is locked (backup)"}, inventory.StateRetry},
		{&taskError{exit: "clone failed: interrupted by signal"}, inventory.StateRetry},
		{&taskError{exit: "start failed: QEMU exited with code 1"}, inventory.StateFailed},
		{&taskError{exit: "unexpected status"}, inventory.StateUnknown},
		{&taskError{exit: "unable to read tail (got 0 bytes)"}, inventory.StateUnknown},
		{&taskError{exit: "clone failed: rbd create error: (28) No space left on device"}, inventory.StateFailed},
		{&taskError{exit: "clone failed: zfs error: cannot create 'tank/subvol-1-disk-0': out of space"}, inventory.StateFailed},
	} {
		if got := stateOf(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	e := refusal(400, "Parameter verification failed.")
	e.body.Message = "Parameter verification failed.\n"
	e.body.Errors = map[string]string{"memory": "type check ('integer') failed - got 'x'\n", "cores": "value must have\na minimum"}
	want := "cannot PUT /nodes/pve1/lxc/100/config: 400 Parameter verification failed.; cores: value must have a minimum; memory: type check ('integer') failed - got 'x'"
	if e.Error() != want {
		t.Errorf("%s\nwant %s", e, want)
	}
	if text := refusal(401, "Authentication failed!").Error(); !strings.Contains(text, "the token provost@pve!x is not accepted") {
		t.Errorf("a wrong token: %s", text)
	}
	task := &taskError{upid: "UPID:pve1:00004745:000326E6:6B00FA44:vzstart:999:root@pam!test:", exit: "hookscript error", log: []string{"a", "b"}}
	if got := task.Error(); got != "cannot finish task vzstart on pve1: hookscript error (log: a | b)" {
		t.Error(got)
	}
}

func TestUPID(t *testing.T) {
	u, ok := parseUPID("UPID:pve-1.x:00004745:0000326E6:6B00FA44:vzclone:9000:root@pam!test:")
	if !ok || u.node() != "pve-1.x" || u.kind() != "vzclone" {
		t.Errorf("%v %q %q", ok, u.node(), u.kind())
	}
	for _, bad := range []string{
		"", "UPID:pve1:bad", "UPID:pve1/..:00004745:000326E6:6B00FA44:vzstart:999:root@pam:",
		"UPID:pve1:00004745:000326E6:6B00FA44:vzstart:999/../..:root@pam:", "UPID:pve1:00004745:000326E6:6B00FA44:vzstart:999:root@pam:x",
	} {
		if _, ok := parseUPID(bad); ok {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPollPause(t *testing.T) {
	const u = "UPID:pve1:00004745:000326E6:6B00FA44:vzstart:999:root@pam:"
	if a, b := pollPause(u, 3), pollPause(u, 3); a != b {
		t.Errorf("not to be repeated: %v, %v", a, b)
	}
	if p := pollPause(u, 0); p < firstPoll*8/10 || p > firstPoll*12/10 {
		t.Errorf("first pause %v", p)
	}
	if p := pollPause(u, 1000); p < lastPoll*8/10 || p > lastPoll*12/10 {
		t.Errorf("late pause %v", p)
	}
}
