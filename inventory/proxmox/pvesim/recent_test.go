package pvesim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// recent are the tasks that the cluster tells of, as "type id status".
func recent(c *client) []string {
	var answer struct {
		Data []struct{ Type, ID, Status string }
	}
	if err := json.Unmarshal([]byte(c.do("GET", "/cluster/tasks").want(c.t, 200, "OK").body), &answer); err != nil {
		c.t.Fatal(err)
	}
	var all []string
	for _, t := range answer.Data {
		all = append(all, strings.TrimSpace(t.Type+" "+t.ID+" "+t.Status))
	}
	return all
}

// TestRecentTasks: what runs comes first, then what began last; what ended among
// many that began after it is shown to have ended only for a moment.
func TestRecentTasks(t *testing.T) {
	inBubble(t, pvesim.Options{Costs: pvesim.Costs{Start: time.Second, Create: 40 * time.Second}}, func(t *testing.T, c *client) {
		long := c.do("POST", create("pve1", 99_000)[0], create("pve1", 99_000)[1:]...).want(t, 200, "OK").upid()
		for vmid := 101; vmid <= 130; vmid++ {
			addLXC(t, c, vmid, false)
			tasks(c, []string{fmt.Sprintf("/nodes/pve1/lxc/%d/status/start", vmid)})
		}
		all := recent(c)
		if len(all) != 25 || all[0] != "vzcreate 99000" || all[1] != "vzstart 130 OK" || all[24] != "vzstart 107 OK" {
			t.Errorf("one long task, thirty that ended: %q", all)
		}
		if exit := c.exit(long); exit != "OK" {
			t.Fatal(exit)
		}
		if all := recent(c); len(all) != 25 || all[24] != "vzcreate 99000 OK" {
			t.Errorf("the long one has ended: %q", all)
		}
		addLXC(t, c, 131, false)
		tasks(c, []string{"/nodes/pve1/lxc/131/status/start"})
		if all := recent(c); len(all) != 25 || all[24] != "vzstart 107 OK" {
			t.Errorf("and one more: %q", all)
		}
		for vmid := 132; vmid <= 158; vmid++ {
			addLXC(t, c, vmid, false)
			c.do("POST", fmt.Sprintf("/nodes/pve1/lxc/%d/status/start", vmid)).want(t, 200, "OK")
		}
		if all := recent(c); len(all) != 27 || all[26] != "vzstart 158" {
			t.Errorf("27 run: %q", all)
		}
	})
}

// A node's message holds 32 KiB.
func TestRecentTasksAreOneMessage(t *testing.T) {
	inBubble(t, pvesim.Options{Costs: pvesim.Costs{Start: time.Minute}}, func(t *testing.T, c *client) {
		for vmid := 101; vmid <= 350; vmid++ {
			addLXC(t, c, vmid, false)
			c.do("POST", fmt.Sprintf("/nodes/pve1/lxc/%d/status/start", vmid)).want(t, 200, "OK")
		}
		if n := len(recent(c)); n < 130 || n > 249 {
			t.Errorf("%d of 250 tasks are told of", n)
		}
	})
}

// A bulk start works by tasks of its own, and says whom it could not start.
func TestBulkStartHasTasks(t *testing.T) {
	inBubble(t, pvesim.Options{Costs: pvesim.Costs{Start: 2 * time.Second}}, func(t *testing.T, c *client) {
		for vmid := 101; vmid <= 103; vmid++ {
			addLXC(t, c, vmid, false)
		}
		c.c.SetStatus(102, "running")
		c.c.HoldLock(103, "backup")
		up := c.do("POST", "/cluster/bulk-action/guest/start", "vms=101", "vms=102", "vms=103", "vms=104").want(t, 200, "OK").upid()
		time.Sleep(time.Second)
		if all := recent(c); fmt.Sprint(all) != "[bulk-start vzstart 101 vzstart 103 CT is locked (backup)]" {
			t.Errorf("under way: %q", all)
		}
		if exit := c.exit(up); exit != "Some guests failed to start: 103" {
			t.Errorf("it ended %s", exit)
		}
	})
}
