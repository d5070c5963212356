package proxmox

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// privileges are what the token may do, by path.
type privileges map[string]map[string]bool

func (p privileges) has(path, privilege string) bool { return p[path][privilege] }

// readRights asks what the token may do at some paths.
func (c *Cluster) readRights(ctx context.Context, paths []string) (privileges, error) {
	all := privileges{}
	for _, path := range paths {
		var answer map[string]map[string]text
		if _, err := c.api.get(ctx, "/access/permissions?path="+url.QueryEscape(path), &answer); err != nil {
			return nil, err
		}
		all[path] = map[string]bool{}
		for name := range answer[path] {
			all[path][name] = true
		}
	}
	return all, nil
}

// trialRights are what every trial needs on its guests; a right that only one thing
// needs is looked for there.
var trialRights = []string{"VM.Allocate", "VM.Audit", "VM.Clone", "VM.PowerMgmt", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory", "VM.Config.Network", "VM.Config.Options"}

// A bridge that the node's own network has is below this path. Others are of zones
// that only SDN knows, and are not looked at.
const bridges = "/sdn/zones/localnetwork/"

var plainBridge = regexp.MustCompile(`^vmbr\d+$`)

// checkRights refuses before anything is made, not after ten minutes.
func (t *trial) checkRights(ctx context.Context) (err error) {
	guests, source, disks := "/vms/"+t.vmid(0), "/vms/"+t.from.vmid, "/storage/"+t.from.storage
	needs := append([][2]string{{source, "VM.Clone"}, {disks, "Datastore.AllocateSpace"}}, onPath(guests, trialRights)...)
	paths := []string{guests, source, disks}
	for _, net := range netNames(t.from.cfg) {
		if bridge := netAttrs(typeLXC, t.from.cfg[net], "")["bridge"]; plainBridge.MatchString(bridge) {
			paths = append(paths, bridges+bridge)
			needs = append(needs, [2]string{bridges + bridge, "SDN.Use"})
		}
	}
	if t.rights, err = t.c.readRights(ctx, paths); err != nil {
		return err
	}
	var missing []string
	for _, need := range needs {
		if !t.rights.has(need[0], need[1]) {
			missing = append(missing, need[1]+" on "+need[0]) // two interfaces may be on one bridge
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the token %s lacks %s: see \"The least rights it needs\" in README.md", t.c.api.login.name(), strings.Join(slices.Compact(missing), ", "))
	}
	return nil
}

func onPath(path string, rights []string) (pairs [][2]string) {
	for _, right := range rights {
		pairs = append(pairs, [2]string{path, right})
	}
	return pairs
}

// mayToo reports why something cannot be timed: the token lacks a right on the guests.
func (t *trial) mayToo(right string) error {
	if !t.rights.has("/vms/"+t.vmid(0), right) {
		return leftOut("the token lacks " + right + " on /vms/" + t.vmid(0))
	}
	return nil
}
