package pvesim_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// logged are a node's tasks by type, as a request with filters tells of them.
func logged(c *client, filters ...string) map[string]int {
	c.t.Helper()
	var answer struct {
		Data []struct{ Type string }
	}
	if err := json.Unmarshal([]byte(c.do("GET", "/nodes/pve1/tasks", filters...).want(c.t, 200, "OK").body), &answer); err != nil {
		c.t.Fatal(err)
	}
	types := map[string]int{}
	for _, t := range answer.Data {
		types[t.Type]++
	}
	return types
}

// A node forgets its oldest tasks, half of what it remembers at a time.
func TestTaskLogForgets(t *testing.T) {
	inBubble(t, pvesim.Options{}, func(t *testing.T, c *client) {
		addLXC(t, c, 101, false)
		most := 0
		for i := range 2000 {
			verb := []string{"start", "stop"}[i%2]
			c.do("POST", "/nodes/pve1/lxc/101/status/"+verb).want(t, 200, "OK")
			if i%100 == 99 {
				all := logged(c, "limit=10000")
				n := all["vzstart"] + all["vzstop"]
				if most = max(most, n); n < min(i, 500) {
					t.Fatalf("of %d tasks %d are left", i+1, n)
				}
			}
		}
		if most < 700 || most > 1500 {
			t.Errorf("it remembers up to %d tasks", most)
		}
	})
}

// What a creation starts is started by a task of its own, as PVE::API2::LXC does.
func TestStartOfACreationHasATask(t *testing.T) {
	inBubble(t, pvesim.Options{}, func(t *testing.T, c *client) {
		request := append(create("pve1", 105), "start=1")
		c.do("POST", request[0], request[1:]...).want(t, 200, "OK")
		for filter, want := range map[string]string{
			"source=all":         "map[vzcreate:1 vzstart:1]",
			"typefilter=vzstart": "map[vzstart:1]",
			"typefilter=start":   "map[]",
		} {
			if got := fmt.Sprint(logged(c, "vmid=105", filter)); got != want {
				t.Errorf("%s: %s, want %s", filter, got, want)
			}
		}
	})
}
