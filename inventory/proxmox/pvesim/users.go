package pvesim

import (
	"maps"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// roles are those of the built-in ones that people give to machines.
var roles = map[string][]string{
	"NoAccess":          {},
	"PVEAuditor":        {"Datastore.Audit", "Mapping.Audit", "Pool.Audit", "SDN.Audit", "Sys.Audit", "VM.Audit", "VM.GuestAgent.Audit"},
	"PVEDatastoreUser":  {"Datastore.AllocateSpace", "Datastore.Audit"},
	"PVEDatastoreAdmin": {"Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit"},
	"PVEPoolUser":       {"Pool.Audit"},
	"PVEPoolAdmin":      {"Pool.Allocate", "Pool.Audit"},
	"PVESDNUser":        {"SDN.Audit", "SDN.Use"},
	"PVETemplateUser":   {"VM.Audit", "VM.Clone"},
	"PVEVMUser":         {"VM.Audit", "VM.Backup", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console", "VM.GuestAgent.Audit", "VM.PowerMgmt"},
	"PVEVMAdmin":        vmPrivileges,
	"PVESysAdmin":       {"Sys.Audit", "Sys.Console", "Sys.Syslog"},
	"Administrator":     slices.Concat(vmPrivileges, []string{"Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit", "Pool.Allocate", "Pool.Audit", "SDN.Allocate", "SDN.Audit", "SDN.Use", "Sys.AccessNetwork", "Sys.Audit", "Sys.Console", "Sys.Incoming", "Sys.Modify", "Sys.PowerMgmt", "Sys.Syslog", "Permissions.Modify", "Realm.Allocate", "Realm.AllocateUser", "User.Modify", "Group.Allocate", "Mapping.Audit", "Mapping.Modify", "Mapping.Use"}),
}

var vmPrivileges = []string{"VM.Allocate", "VM.Audit", "VM.Backup", "VM.Clone", "VM.Config.CDROM", "VM.Config.CPU",
	"VM.Config.Cloudinit", "VM.Config.Disk", "VM.Config.HWType", "VM.Config.Memory", "VM.Config.Network", "VM.Config.Options",
	"VM.Console", "VM.GuestAgent.Audit", "VM.GuestAgent.FileRead", "VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.FileWrite",
	"VM.GuestAgent.Unrestricted", "VM.Migrate", "VM.PowerMgmt", "VM.Replicate", "VM.Snapshot", "VM.Snapshot.Rollback"}

func (k *call) getRoles() (any, error) {
	rows := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		rows = append(rows, map[string]any{"roleid": name, "privs": strings.Join(roles[name], ","), "special": 1})
	}
	return rows, nil
}

func (k *call) getUsers() (any, error) {
	rows := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(k.c.users)) {
		if k.c.canAny(k.who, "/access/groups", "User.Modify", "Sys.Audit") {
			rows = append(rows, map[string]any{"userid": name, "enable": 1, "expire": 0})
		}
	}
	return rows, nil
}

func (k *call) createUser() (any, error) {
	id := k.str("userid")
	if k.c.users[id] != nil {
		return nil, die("create user failed: user '%s' already exists", id)
	}
	k.c.users[id] = &user{acl: acl{}}
	return nil, nil
}

func (k *call) createToken() (any, error) {
	userID, id := k.str("userid"), k.str("tokenid")
	name := userID + "!" + id
	if k.c.users[userID] == nil {
		return nil, die("user '%s' does not exist", userID)
	}
	if k.c.tokens[name] != nil {
		return nil, badParam("tokenid", "Token already exists.")
	}
	t := &token{user: userID, id: id, secret: k.c.uuid(), privsep: !k.has("privsep") || k.on("privsep"), acl: acl{}}
	k.c.tokens[name] = t
	info := map[string]any{"privsep": "0"}
	if t.privsep {
		info["privsep"] = "1"
	}
	if k.has("expire") {
		info["expire"] = k.str("expire")
	}
	return map[string]any{"full-tokenid": name, "value": t.secret, "info": info}, nil
}

func (k *call) getACL() (any, error) {
	rows := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(k.c.users)) {
		for _, g := range k.c.users[name].grants {
			if k.c.can(k.who, g.path, "Permissions.Modify") || k.c.can(k.who, "/access", "Sys.Audit") {
				rows = append(rows, map[string]any{"path": g.path, "type": "user", "ugid": name, "roleid": g.role, "propagate": 1})
			}
		}
	}
	return rows, nil
}

func (k *call) putACL() (any, error) {
	path := k.str("path")
	for _, role := range schema.SplitList(k.str("roles")) {
		privs, ok := roles[role]
		if !ok {
			return nil, die("role '%s' does not exist", role)
		}
		for _, name := range schema.SplitList(k.str("users")) {
			u := k.c.users[name]
			if u == nil {
				return nil, die("user '%s' does not exist", name)
			}
			u.grants = append(u.grants, grant{path, role})
			u.acl.add(path, privs)
		}
		for _, name := range schema.SplitList(k.str("tokens")) {
			t := k.c.tokens[name]
			if t == nil {
				return nil, die("token '%s' does not exist", name)
			}
			t.acl.add(path, privs)
		}
	}
	return nil, nil
}

func (a acl) add(path string, privs []string) {
	if a[path] == nil {
		a[path] = map[string]bool{}
	}
	maps.Copy(a[path], set(privs))
}

// topPaths are those that everybody's permissions are listed for, besides those
// that an ACL names. [src]
var topPaths = []string{"/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"}

// getPermissions lists what the asker may do at a path, or wherever he may do anything.
func (k *call) getPermissions() (any, error) {
	if path := k.str("path"); path != "" {
		return map[string]any{path: k.permissionsAt(path)}, nil
	}
	t := k.who.token
	a := t.acl
	if !t.whole && !t.privsep {
		a = k.c.users[t.user].acl
	}
	data := map[string]any{}
	for _, path := range slices.AppendSeq(slices.Clone(topPaths), maps.Keys(a)) {
		if at := k.permissionsAt(path); len(at) > 0 {
			data[path] = at
		}
	}
	return data, nil
}

func (k *call) permissionsAt(path string) map[string]int {
	privs, all := k.c.privileges(k.who, path)
	if all {
		privs = set(roles["Administrator"])
	}
	at := map[string]int{}
	for p, ok := range privs {
		if ok {
			at[p] = 1
		}
	}
	return at
}

// createTicket lets nobody in: the double knows no passwords.
func (k *call) createTicket() (any, error) {
	return nil, &apiError{status: 401, reason: "authentication failure"}
}
