package winsim

import "strings"

// filterChange is a change of one MAC in the filter lists.
type filterChange struct {
	thingChange
	Expect *filterState `json:"expect"`
	Set    *filterState `json:"set"`
}

type filterState struct {
	List        string `json:"list"` // allow, deny
	Description string `json:"description"`
}

func (c *filterChange) make(t *attempt) (conflict string) {
	if !t.mayReadDHCP() {
		return t.fail("Get-DhcpServerv4Filter", errAccessDenied)
	}
	return c.compare(c.standing(t.server.dhcp)).take(t, c)
}

func (c *filterChange) stands(x *session) bool {
	return x.mayReadDHCP() && c.compare(c.standing(x.server.dhcp)).settled()
}

func (c *filterChange) standing(d *dhcpServer) *Filter {
	if i := d.filter(c.MAC); i >= 0 {
		return &d.filters[i]
	}
	return nil
}

func (c *filterChange) compare(f *Filter) thing {
	v := thing{expected: c.Expect != nil, wanted: c.Set != nil, adopt: c.Adopt}
	if f != nil {
		v.see(f.Description, c.Owned, f.is(c.Expect), f.is(c.Set))
		v.asWanted = v.likeWanted && f.Description == c.Set.Description
	}
	return v
}

// is reports whether a line stands so, whatever its description.
func (f *Filter) is(s *filterState) bool { return s != nil && strings.EqualFold(f.List, s.List) }

func (c *filterChange) add(t *attempt) {
	t.writeDHCP("Add-DhcpServerv4Filter", func() *cmdletError {
		name, ok := filterLists[strings.ToLower(c.Set.List)]
		if !ok {
			return errBadParameter
		}
		return t.server.dhcp.addFilter(Filter{MAC: c.MAC, List: name, Description: c.Set.Description})
	})
}

// change takes the line away and makes it anew: there is no cmdlet that sets one.
func (c *filterChange) change(t *attempt) {
	c.remove(t)
	c.add(t)
}

func (c *filterChange) remove(t *attempt) {
	t.writeDHCP("Remove-DhcpServerv4Filter", func() *cmdletError { return t.server.dhcp.removeFilter(c.MAC) })
}

var filterLists = map[string]string{"allow": "Allow", "deny": "Deny"}
