package proxmox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/provost-dev/provost/inventory"
)

// intent is what provost was about to make, kept on disk from before the POST
// until the guest is configured. It is a hint and no state: it names the task to
// wait for after a restart. Without it the lock on the half-made guest is waited
// for, which costs time and nothing else; so no error is made of a lost one.
type intent struct {
	Key    inventory.Key `json:"key"`
	VMID   string        `json:"vmid"`
	Source string        `json:"source,omitempty"` // VMID of the clone's source
	UPID   upid          `json:"upid,omitempty"`   // empty while the POST is under way
}

func (c *Cluster) intentFile(vmid string) string {
	return filepath.Join(c.cfg.StateDir, c.name+"-"+vmid+".json")
}

// keepIntent writes the intent in one step, so that a crash leaves the old or
// the new one.
func (c *Cluster) keepIntent(in intent) {
	if c.cfg.StateDir == "" {
		return
	}
	if err := writeAtomic(c.intentFile(in.VMID), in); err != nil {
		c.log.Warn("cannot keep an intent", "key", in.Key, "error", err)
	}
}

func writeAtomic(file string, in intent) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".intent-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(data, '\n'))
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	return nil
}

// intent reads the hint for a guest; a damaged one, or one for another key, is none.
func (c *Cluster) intent(key inventory.Key, vmid string) (intent, bool) {
	if c.cfg.StateDir == "" {
		return intent{}, false
	}
	data, err := os.ReadFile(c.intentFile(vmid))
	if err != nil {
		return intent{}, false
	}
	var in intent
	if json.Unmarshal(data, &in) != nil || in.Key != key || in.VMID != vmid {
		return intent{}, false
	}
	if _, ok := parseUPID(string(in.UPID)); !ok {
		in.UPID = ""
	}
	return in, true
}

func (c *Cluster) dropIntent(vmid string) {
	if c.cfg.StateDir != "" {
		os.Remove(c.intentFile(vmid))
	}
}
