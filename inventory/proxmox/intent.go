package proxmox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

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
	Lost   bool          `json:"lost,omitempty"`   // the server could not start the task, and left its locks
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
	c.mu.Lock()
	c.making[in.VMID] = true
	c.mu.Unlock()
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
	in, ok := readIntent(c.intentFile(vmid))
	if !ok || in.Key != key || in.VMID != vmid {
		return intent{}, false
	}
	return in, true
}

func readIntent(file string) (intent, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return intent{}, false
	}
	var in intent
	if json.Unmarshal(data, &in) != nil {
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

// endMaking says that a change of this process does not need its intent any more.
func (c *Cluster) endMaking(ch inventory.Change) {
	if ch.After == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.making, ch.After.Attrs["vmid"])
}

// sweepIntents drops the intents of which nothing is left to do: the guest is
// finished, or it is not there and no task is about to make it.
func (c *Cluster) sweepIntents(s *survey) {
	if c.cfg.StateDir == "" {
		return
	}
	for _, in := range c.intents() {
		if !c.makes(in.VMID) && !s.unfinished(in) {
			c.dropIntent(in.VMID)
		}
	}
}

// intents are all that are kept. Damaged ones go.
func (c *Cluster) intents() []intent {
	files, _ := filepath.Glob(c.intentFile("*")) // a name that is no pattern finds nothing
	var all []intent
	for _, file := range files {
		in, ok := readIntent(file)
		if !ok {
			os.Remove(file)
			continue
		}
		all = append(all, in)
	}
	return all
}

// lostIntents are those whose task the server could not start.
func (c *Cluster) lostIntents() []intent {
	if c.cfg.StateDir == "" {
		return nil
	}
	return slices.DeleteFunc(c.intents(), func(in intent) bool { return !in.Lost })
}

func (c *Cluster) makes(vmid string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.making[vmid]
}

// unfinished reports whether an intent may still be of use.
func (s *survey) unfinished(in intent) bool {
	for _, t := range s.tasks {
		if t.running() && t.UPID == in.UPID {
			return true
		}
	}
	if _, unread := s.unread[in.VMID]; unread {
		return true
	}
	if stale := s.stale[in.VMID] != ""; stale || in.Lost {
		return in.Lost && (stale || s.stale[in.Source] != "") // to be told to the next process
	}
	g, there := s.guests[in.VMID]
	m, _ := inventory.ParseMark(g.cfg["description"])
	return there && (g.cfg["lock"] != "" || m.Extra[markRaw] != "")
}
