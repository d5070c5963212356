package pvesim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// acl is privileges by path, as /etc/pve/user.cfg grants them through roles;
// all propagate.
type acl map[string]map[string]bool

type user struct {
	acl    acl
	grants []grant
}

// grant is an entry of the ACL list that came through the API.
type grant struct{ path, role string }

type token struct {
	user    string
	id      string
	secret  string
	privsep bool
	acl     acl
	whole   bool // made by AddToken: its own ACL counts, whatever its user's
}

// identity is who makes a request: "user@realm!token", as Perl's $authuser.
type identity struct {
	name  string
	user  string
	token *token
}

// AddToken makes a token, and its user if need be, with exactly the privileges
// given for each ACL path, which count for all below it. It returns what goes
// after "PVEAPIToken=" into the Authorization header.
func (c *Cluster) AddToken(userID, tokenID string, privileges map[string][]string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[userID] == nil {
		c.users[userID] = &user{}
	}
	t := &token{user: userID, id: tokenID, secret: c.uuid(), privsep: true, whole: true, acl: acl{}}
	for path, privs := range privileges {
		t.acl[path] = set(privs)
	}
	c.tokens[userID+"!"+tokenID] = t
	return userID + "!" + tokenID + "=" + t.secret
}

// SetPrivileges gives a token of AddToken, by its name user@realm!token, other
// privileges than it had. A path with none is one of which it may see nothing.
func (c *Cluster) SetPrivileges(name string, privileges map[string][]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tokens[name]
	t.acl = acl{}
	for path, privs := range privileges {
		t.acl[path] = set(privs)
	}
}

// RootToken makes a token of root@pam without privilege separation: it may do
// all that a token may, which is less than root with a password may.
func (c *Cluster) RootToken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	const name = "root@pam!test"
	if c.tokens[name] == nil {
		c.tokens[name] = &token{user: "root@pam", id: "test", secret: c.uuid()}
	}
	return name + "=" + c.tokens[name].secret
}

func set(words []string) map[string]bool {
	m := map[string]bool{}
	for _, w := range words {
		m[w] = true
	}
	return m
}

// authenticate knows tokens only: a cookie with a ticket is for browsers.
func (c *Cluster) authenticate(req *http.Request) (*identity, error) {
	header := req.Header.Get("Authorization")
	value, ok := strings.CutPrefix(header, "PVEAPIToken=")
	if !ok {
		return nil, &apiError{status: 401, reason: "No ticket", silent: true}
	}
	name, secret, _ := strings.Cut(value, "=")
	t := c.tokens[name]
	if t == nil || t.secret != secret {
		return nil, &apiError{status: 401, reason: "Authentication failed!", silent: true}
	}
	return &identity{name: name, user: t.user, token: t}, nil
}

// privileges returns what an identity may do at a path; all is root's.
func (c *Cluster) privileges(who *identity, path string) (privs map[string]bool, all bool) {
	if who == nil {
		return nil, false
	}
	t := who.token
	if t.whole {
		return c.effective(t.acl, path), false
	}
	if !t.privsep {
		return c.effective(c.users[t.user].acl, path), t.user == "root@pam"
	}
	own := c.effective(t.acl, path)
	if t.user == "root@pam" {
		return own, false
	}
	theirs := c.effective(c.users[t.user].acl, path)
	both := map[string]bool{}
	for p := range own {
		both[p] = theirs[p]
	}
	return both, false
}

// effective is what an ACL gives at a path: the deepest entry at or above it,
// and what the pools of a guest or storage give.
func (c *Cluster) effective(a acl, path string) map[string]bool {
	privs := map[string]bool{}
	maps.Copy(privs, a.at(path))
	for name, p := range c.pools {
		if p.covers(path) {
			maps.Copy(privs, a.at("/pool/"+name))
		}
	}
	return privs
}

func (a acl) at(path string) map[string]bool {
	for p := path; ; {
		if privs, ok := a[p]; ok {
			return privs
		}
		if p == "/" || p == "" {
			return nil
		}
		if p = p[:strings.LastIndex(p, "/")]; p == "" {
			p = "/"
		}
	}
}

// can is check_any of one privilege, without a fuss.
func (c *Cluster) can(who *identity, path, priv string) bool {
	privs, all := c.privileges(who, path)
	return all || privs[priv]
}

func (c *Cluster) canAny(who *identity, path string, privs ...string) bool {
	return slices.ContainsFunc(privs, func(p string) bool { return c.can(who, path, p) })
}

// need refuses as the real server does when a privilege is missing.
func (k *call) need(path string, privs ...string) error {
	for _, p := range privs {
		if !k.c.can(k.who, path, p) {
			return forbidden(path + ", " + p)
		}
	}
	return nil
}

// permit follows the method's declared rule.
func (c *Cluster) permit(k *call) error {
	rule := k.method.Permissions
	if rule.User != "" || rule.Check == nil {
		return nil // whoever is logged in; what more there is, the handler asks
	}
	return c.permitRule(k, rule.Check)
}

func (c *Cluster) permitRule(k *call, rule []any) error {
	switch rule[0] {
	case "and":
		for _, sub := range rule[1:] {
			if err := c.permitRule(k, sub.([]any)); err != nil {
				return err
			}
		}
		return nil
	case "or":
		for _, sub := range rule[1:] {
			if c.permitRule(k, sub.([]any)) == nil {
				return nil
			}
		}
		return forbidden("")
	case "perm":
		return c.permitPath(k, rule)
	case "perm-modify":
		return k.need(template(rule[1].(string), k.params), "Permissions.Modify")
	case "userid-param":
		if rule[1] == "self" && k.who.user == k.str("userid") {
			return nil
		}
		return k.need("/access/realm/"+k.str("userid"), "Realm.AllocateUser")
	case "userid-group":
		return k.need("/access/groups", "User.Modify")
	}
	return die("unknown permission test '%v'", rule[0])
}

// permitPath judges ["perm", path, [privileges], option, value …].
func (c *Cluster) permitPath(k *call, rule []any) error {
	options := map[string]any{}
	for i := 3; i+1 < len(rule); i += 2 {
		options[rule[i].(string)] = rule[i+1]
	}
	if name, ok := options["require_param"].(string); ok && !k.has(name) {
		return forbidden("")
	}
	path := template(rule[1].(string), k.params)
	var privs []string
	for _, p := range rule[2].([]any) {
		privs = append(privs, p.(string))
	}
	if options["any"] == nil {
		return k.need(path, privs...)
	}
	if !c.canAny(k.who, path, privs...) {
		return forbidden(path + ", " + strings.Join(privs, "|"))
	}
	return nil
}

// template puts parameters into "/vms/{vmid}".
func template(path string, params map[string]string) string {
	for name, value := range params {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

// uuid makes one from the cluster's seed.
func (c *Cluster) uuid() string {
	a, b := c.rng.Uint64(), c.rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}
