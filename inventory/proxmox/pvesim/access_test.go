package pvesim_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func TestLogin(t *testing.T) {
	_, c := start(t, pvesim.Options{})
	for token, reason := range map[string]string{
		"":                   "No ticket",
		"root@pam!test":      "Authentication failed!",
		"root@pam!test=0000": "Authentication failed!",
		"nobody@pve!x=1":     "Authentication failed!",
	} {
		c.token = token
		if a := c.do("GET", "/version").want(t, 401, reason); a.body != "" {
			t.Errorf("a 401 has the body %q", a.body)
		}
	}
}

func TestPrivileges(t *testing.T) {
	all := map[string][]string{"/vms/100": {"VM.Audit", "VM.Clone", "VM.Config.Options", "VM.Config.Memory", "VM.Config.Network"}}
	with := func(path string, privs ...string) map[string][]string {
		m := map[string][]string{path: privs}
		maps.Copy(m, all)
		return m
	}
	config := "/nodes/pve1/lxc/100/config"
	tests := []struct {
		name         string
		privileges   map[string][]string
		method, path string
		params       []string
		status       int
		reason       string
	}{
		{"nothing", nil, "GET", config, nil, 403, "Permission check failed (/vms/100, VM.Audit)"},
		{"a missing guest is not told", nil, "GET", "/nodes/pve1/lxc/999/config", nil, 403, "Permission check failed (/vms/999, VM.Audit)"},
		{"audit", all, "GET", config, nil, 200, "OK"},
		{"from above", map[string][]string{"/": {"VM.Audit"}}, "GET", config, nil, 200, "OK"},
		{"deeper wins", map[string][]string{"/": {"Sys.Audit"}, "/nodes": {"Sys.Modify"}}, "GET", "/nodes/pve1/status", nil, 403, "Permission check failed (/nodes/pve1, Sys.Audit)"},
		{"by pool", map[string][]string{"/pool/labs": {"VM.Audit"}}, "GET", config, nil, 200, "OK"},
		{"memory", all, "PUT", config, []string{"memory=64"}, 200, "OK"},
		{"cores", all, "PUT", config, []string{"cores=1"}, 403, "Permission check failed (/vms/100, VM.Config.CPU)"},
		{"bridge", all, "PUT", config, []string{"net0=name=eth0,bridge=vmbr0"}, 403, "Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)"},
		{"VLAN", with("/sdn/zones/localnetwork/vmbr0/7", "SDN.Use"), "PUT", config, []string{"net0=name=eth0,bridge=vmbr0,tag=7"}, 200, "OK"},
		{"other VLAN", with("/sdn/zones/localnetwork/vmbr0/7", "SDN.Use"), "PUT", config, []string{"net0=name=eth0,bridge=vmbr0,tag=8"}, 403, "Permission check failed (/sdn/zones/localnetwork/vmbr0/8, SDN.Use)"},
		{"hook", all, "PUT", config, []string{"hookscript=local:snippets/h.sh"}, 403, "Permission check failed (changing the hookscript is only allowed for root@pam)"},
		{"bind mount", all, "PUT", config, []string{"mp0=/srv,mp=/mnt"}, 403, "Permission check failed (mount point type bind is only allowed for root@pam)"},
		{"keyctl", all, "PUT", config, []string{"features=nesting=1,keyctl=1"}, 403, "Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)"},
		{"nesting", all, "PUT", config, []string{"features=nesting=1"}, 200, "OK"},
		{"raw", all, "PUT", config, []string{"lxc.idmap=u 0 1 2"}, 400, "Parameter verification failed."},
		{"clone without place", all, "POST", "/nodes/pve1/lxc/100/clone", []string{"newid=200"}, 403, "Permission check failed"},
		{"clone without bridge", with("/pool/labs", "VM.Allocate"), "POST", "/nodes/pve1/lxc/100/clone", []string{"newid=200", "pool=labs"}, 403, "Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)"},
		{"no such pool", with("/pool/labs", "VM.Allocate"), "POST", "/nodes/pve1/lxc/100/clone", []string{"newid=200", "pool=nopool"}, 403, "Permission check failed"},
		{"node", nil, "GET", "/nodes/pve1/status", nil, 403, "Permission check failed (/nodes/pve1, Sys.Audit)"},
		{"storage", nil, "GET", "/nodes/pve1/storage/local/content", nil, 403, "Permission check failed (/storage/local, Datastore.Audit|Datastore.AllocateSpace)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cl, c := start(t, pvesim.Options{})
			cl.AddPool("labs", "")
			addLXC(t, c, 100, true)
			c.do("PUT", "/pools", "poolid=labs", "vms=100").want(t, 200, "OK")
			c.token = cl.AddToken("bot@pve", "t", test.privileges)
			before := cl.Digest(nil)
			c.do(test.method, test.path, test.params...).want(t, test.status, test.reason)
			if test.status != 200 && cl.Digest(nil) != before {
				t.Error("a refused request changed something")
			}
		})
	}
}

// TestOthersTasks: another token of the same user is somebody else.
func TestOthersTasks(t *testing.T) {
	cl, c := start(t, pvesim.Options{})
	addLXC(t, c, 100, false)
	c.token = cl.AddToken("bot@pve", "a", map[string][]string{"/vms": {"VM.PowerMgmt"}})
	up := c.do("POST", "/nodes/pve1/lxc/100/status/start").want(t, 200, "OK").upid()
	c.do("GET", "/nodes/pve1/tasks/"+up+"/status").want(t, 200, "OK")
	c.token = cl.AddToken("bot@pve", "b", nil)
	c.do("GET", "/nodes/pve1/tasks/"+up+"/status").want(t, 403, "Permission check failed (/nodes/pve1, Sys.Audit)")
	c.token = cl.AddToken("bot@pve", "c", map[string][]string{"/nodes": {"Sys.Audit"}})
	c.do("GET", "/nodes/pve1/tasks/"+up+"/status").want(t, 200, "OK")
}

// TestPrivilegeSeparation: a separated token may do what both its user and its
// own entries allow.
func TestPrivilegeSeparation(t *testing.T) {
	_, c := start(t, pvesim.Options{})
	addLXC(t, c, 100, false)
	root := c.token
	c.do("POST", "/access/users", "userid=bot@pve").want(t, 200, "OK")
	c.do("PUT", "/access/acl", "path=/vms", "users=bot@pve", "roles=PVEAuditor").want(t, 200, "OK")
	tokens := map[string]string{}
	for id, privsep := range map[string]string{"whole": "0", "apart": "1"} {
		body := c.do("POST", "/access/users/bot@pve/token/"+id, "privsep="+privsep).want(t, 200, "OK").body
		_, after, _ := strings.Cut(body, `"value":"`)
		secret, _, _ := strings.Cut(after, `"`)
		tokens[id] = "bot@pve!" + id + "=" + secret
	}
	config := "/nodes/pve1/lxc/100/config"
	c.token = tokens["whole"]
	c.do("GET", config).want(t, 200, "OK")
	c.token = tokens["apart"]
	c.do("GET", config).want(t, 403, "Permission check failed (/vms/100, VM.Audit)")
	c.token = root
	c.do("PUT", "/access/acl", "path=/", "tokens=bot@pve!apart", "roles=Administrator").want(t, 200, "OK")
	c.token = tokens["apart"]
	c.do("GET", config).want(t, 200, "OK")
	c.do("PUT", config, "memory=64").want(t, 403, "Permission check failed (/vms/100, VM.Config.Disk|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.Options)")
}
