package windows

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// applyDocument asks for changes.
type applyDocument struct {
	Changes []changeDocument `json:"changes"`
}

// changeDocument is one change as apply.ps1 reads it. What a kind does not have
// is left out.
type changeDocument struct {
	ID     string         `json:"id"`
	Kind   string         `json:"kind"`
	Zone   string         `json:"zone,omitempty"`
	Name   string         `json:"name,omitempty"`
	Type   string         `json:"type,omitempty"`
	Scope  string         `json:"scope,omitempty"`
	MAC    string         `json:"mac,omitempty"`
	Expect *stateDocument `json:"expect"`
	Set    *stateDocument `json:"set"`
	Adopt  bool           `json:"adopt"`
	Mark   *markDocument  `json:"mark,omitempty"`
	Owned  string         `json:"owned,omitempty"`

	on string // which partners were seen to have it
}

// stateDocument is how a thing stands, or shall stand.
type stateDocument struct {
	Value       *string `json:"value,omitempty"`
	TTL         *int64  `json:"ttl,omitempty"`
	IP          *string `json:"ip,omitempty"`
	Name        *string `json:"name,omitempty"`
	List        *string `json:"list,omitempty"`
	Description *string `json:"description,omitempty"`
}

// markDocument is the mark beside a record.
type markDocument struct {
	Name  string   `json:"name"`
	TTL   int64    `json:"ttl"`
	Texts []string `json:"texts"`
	Owned []string `json:"owned"`
}

// markTTL is in seconds; nobody resolves a mark, so nobody caches it.
const markTTL = 3600

// document says a change in the words of apply.ps1, or why it cannot be made.
// Everything is checked here, so that nothing unfit reaches a cmdlet.
func (s *System) document(c inventory.Change) (changeDocument, error) {
	if err := s.checkShape(c); err != nil {
		return changeDocument{}, err
	}
	switch c.Key.Kind() {
	case inventory.KindRecord:
		return s.recordDocument(c)
	case inventory.KindReservation:
		return s.reservationDocument(c)
	case inventory.KindFilter:
		return s.filterDocument(c)
	}
	return changeDocument{}, fmt.Errorf("%s is only observed, never changed", c.Key.Kind())
}

func (s *System) recordDocument(c inventory.Change) (changeDocument, error) {
	attrs := subject(c).Attrs
	zone, name, kind := attrs["zone"], attrs["name"], attrs["type"]
	if err := s.checkPlace(c.Key, zone, name, kind); err != nil {
		return changeDocument{}, err
	}
	if c.Before != nil && (c.Before.Key != c.Key || c.Before.Attrs["zone"] != zone) {
		return changeDocument{}, errors.New("a record cannot move to another name, type or zone in place")
	}
	d := changeDocument{
		Kind: inventory.KindRecord, Zone: zone, Name: name, Type: kind, Adopt: c.Action == inventory.Adopt,
		Mark: &markDocument{
			Name: markName(name), TTL: markTTL, Texts: []string{}, Owned: markPrefixes(s.campus, c.Key),
		},
	}
	if c.Before != nil {
		if err := s.checkStanding(c); err != nil {
			return changeDocument{}, err
		}
		ttl, _ := strconv.ParseInt(c.Before.Attrs["ttl"], 10, 64)
		d.Expect = &stateDocument{Value: text(c.Before.Attrs, "value"), TTL: &ttl}
	}
	if c.After == nil {
		return d, nil
	}
	ttl, err := parseTTL(c.After.Attrs)
	if err != nil {
		return changeDocument{}, err
	}
	value := c.After.Attrs["value"]
	if d.Adopt {
		value = c.Before.Attrs["value"] // only the mark is written, so it speaks of what stands
	} else if err := checkValue(kind, value); err != nil {
		return changeDocument{}, err
	} else {
		d.Set = &stateDocument{Value: &value, TTL: &ttl}
	}
	d.Mark.Texts = markTexts(recordMark(c.Key, c.After.Owner, kind, value))
	return d, nil
}

func (s *System) reservationDocument(c inventory.Change) (changeDocument, error) {
	scope, mac, _ := strings.Cut(c.Key.Name(), "/")
	if len(s.cfg.DHCP.Scopes) > 0 && !slices.Contains(s.cfg.DHCP.Scopes, scope) {
		return changeDocument{}, fmt.Errorf("scope %q is not managed by %s", scope, s.name)
	}
	if a, err := netip.ParseAddr(scope); err != nil || !a.Is4() {
		return changeDocument{}, fmt.Errorf("scope %q is not an IPv4 network", scope)
	}
	d, err := s.thing(c, mac)
	if err != nil {
		return changeDocument{}, err
	}
	d.Scope = scope
	if c.Before != nil {
		d.Expect = &stateDocument{IP: text(c.Before.Attrs, "ip"), Name: text(c.Before.Attrs, "name")}
		if name, ok := c.Before.Attrs["livename"]; ok && d.Adopt {
			d.Expect.Name = &name
		} else if ok {
			d.Expect = nil // a client has renamed it: its mark must do
		}
	}
	if c.After == nil {
		return d, nil
	}
	attrs := c.After.Attrs
	if d.Adopt {
		attrs = c.Before.Attrs
	}
	if a, err := netip.ParseAddr(attrs["ip"]); err != nil || !a.Is4() {
		return changeDocument{}, fmt.Errorf("ip %q is not an IPv4 address", attrs["ip"])
	}
	if m, ok := attrs["mac"]; ok && m != mac {
		return changeDocument{}, fmt.Errorf("mac %q is not that of %s", m, c.Key)
	}
	d.Set = &stateDocument{IP: text(attrs, "ip"), Name: text(attrs, "name")}
	if name, ok := attrs["livename"]; ok && d.Adopt {
		d.Set.Name = &name
	} else if err := checkDomain(attrs["name"]); err != nil && !d.Adopt {
		return changeDocument{}, fmt.Errorf("name %q: %w", attrs["name"], err)
	}
	d.Set.Description = s.description(c, map[string]string{"name": attrs["name"]})
	return d, nil
}

func (s *System) filterDocument(c inventory.Change) (changeDocument, error) {
	d, err := s.thing(c, c.Key.Name())
	if err != nil {
		return changeDocument{}, err
	}
	if c.Before != nil {
		d.Expect = &stateDocument{List: text(c.Before.Attrs, "list")}
	}
	if c.After == nil {
		return d, nil
	}
	attrs := c.After.Attrs
	if d.Adopt {
		attrs = c.Before.Attrs
	}
	if list := attrs["list"]; list != "allow" && list != "deny" {
		return changeDocument{}, fmt.Errorf("list %q: want allow or deny", list)
	}
	d.Set = &stateDocument{List: text(attrs, "list"), Description: s.description(c, nil)}
	return d, nil
}

// thing is what the documents of reservations and filters share.
func (s *System) thing(c inventory.Change, mac string) (changeDocument, error) {
	switch {
	case len(s.dhcp) == 0:
		return changeDocument{}, fmt.Errorf("%s has no DHCP server", s.name)
	case !macPattern.MatchString(mac):
		return changeDocument{}, fmt.Errorf("%q is not a MAC such as bc-24-11-00-00-01", mac)
	case c.Before != nil && c.Before.Key != c.Key:
		return changeDocument{}, errors.New("a MAC cannot change in place")
	case c.After != nil && cmp.Or(c.After.Attrs["on"], "all") != "all":
		return changeDocument{}, errors.New("it belongs on all fail-over partners")
	}
	d := changeDocument{
		Kind: c.Key.Kind(), MAC: mac, Adopt: c.Action == inventory.Adopt,
		Owned: descriptionPrefix(s.campus, c.Key),
	}
	if c.Before != nil {
		d.on = c.Before.Attrs["on"]
	}
	return d, nil
}

// description is the mark below what a person wrote, which stays.
func (s *System) description(c inventory.Change, extra map[string]string) *string {
	var human string
	if c.Before != nil {
		human = c.Before.Attrs["description"]
	}
	full := inventory.WithMark(human, inventory.Mark{Key: c.Key, Owner: c.After.Owner, Extra: extra})
	return &full
}

// towards is the document for one partner. One that was not seen to have the
// thing, or has it otherwise, may hold anything that is ours; and there is
// nothing to adopt there: what is missing is added by a later pass.
func (d changeDocument) towards(h *host) (changeDocument, bool) {
	if d.on == "all" || slices.Contains(strings.Split(d.on, ","), h.name) {
		return d, true
	}
	d.Expect = nil
	return d, !d.Adopt
}

func text(attrs inventory.Attrs, name string) *string {
	s := attrs[name]
	return &s
}
