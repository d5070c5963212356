package windows

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// checkShape wants the parts that the action needs, and that nothing but an
// adoption begins with something that is not ours.
func (s *System) checkShape(c inventory.Change) error {
	needsBefore := c.Action != inventory.Create
	needsAfter := c.Action != inventory.Delete
	switch {
	case c.Key.System() != s.name:
		return fmt.Errorf("%q is not of %s", c.Key, s.name)
	case c.Action == inventory.Replace:
		return errors.New("nothing of DNS and DHCP is ever replaced")
	case needsBefore != (c.Before != nil) || needsAfter != (c.After != nil):
		return fmt.Errorf("the change to %s is incomplete", c.Action)
	case c.Before != nil && c.Before.Key != c.Key && c.Action != inventory.Adopt:
		return errors.New("nothing of DNS and DHCP can be renamed in place")
	case c.Before != nil && c.Action != inventory.Adopt && c.Before.Owner.Campus != s.campus:
		return errors.New("what stands there carries no mark of ours")
	case c.Before != nil && c.Action == inventory.Adopt && !c.Before.Owner.IsZero():
		return errors.New("what stands there is somebody's already")
	case c.After != nil && c.After.Owner.Campus != s.campus:
		return fmt.Errorf("the owner is of campus %q, not %q", c.After.Owner.Campus, s.campus)
	}
	return nil
}

// subject is the resource that says what a change is about.
func subject(c inventory.Change) inventory.Resource {
	if c.After != nil {
		return *c.After
	}
	return *c.Before
}

func (s *System) checkPlace(key inventory.Key, zone, name, kind string) error {
	switch {
	case !slices.Contains(s.cfg.DNS.Zones, zone):
		return fmt.Errorf("zone %q is not managed by %s", zone, s.name)
	case !slices.Contains(recordTypes, kind):
		return fmt.Errorf("records of type %q are not managed: want %s", kind, strings.Join(recordTypes, ", "))
	}
	if err := checkRelative(name, zone); err != nil {
		return err
	}
	if want := s.key(inventory.KindRecord, qualified(name, zone), kind); key != want {
		return fmt.Errorf("the attributes are those of %s", want)
	}
	return nil
}

// checkStanding wants a single record to begin with. Several values stand
// joined by commas, and are never ours; an empty one is half made.
func (s *System) checkStanding(c inventory.Change) error {
	kind, value := c.Before.Attrs["type"], c.Before.Attrs["value"]
	if value == "" && c.Action != inventory.Adopt {
		return nil
	}
	if c.Before.Attrs["dynamic"] != "" {
		return errors.New("a client of the server wrote what stands there")
	}
	if err := checkValue(kind, value); err != nil {
		return fmt.Errorf("what stands there is not one record of ours: %w", err)
	}
	return nil
}

// parseTTL gives seconds; 0 stands for the zone's default.
func parseTTL(attrs inventory.Attrs) (int64, error) {
	ttl, ok := attrs["ttl"]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(ttl, 10, 64)
	if err != nil || n < 1 || n > 1<<31-1 {
		return 0, fmt.Errorf("ttl %q: want seconds from 1 to 2147483647", ttl)
	}
	return n, nil
}
