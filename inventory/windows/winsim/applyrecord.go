package winsim

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// recordChange is a change of one DNS record and of the mark beside it.
type recordChange struct {
	ID, Kind string
	Zone     string       `json:"zone"`
	Name     string       `json:"name"`
	Type     string       `json:"type"`
	Expect   *recordState `json:"expect"`
	Set      *recordState `json:"set"`
	Adopt    bool         `json:"adopt"`
	Mark     recordMark   `json:"mark"`
}

type recordState struct {
	Value string `json:"value"`
	TTL   int64  `json:"ttl"` // seconds; 0 is the zone's default, and not compared
}

type recordMark struct {
	Name  string   `json:"name"`
	TTL   int64    `json:"ttl"`
	Texts []string `json:"texts"`
	Owned []string `json:"owned"`
}

func (c *recordChange) make(t *attempt) (conflict string) {
	if !t.mayDNS() {
		return t.fail("Get-DnsServerResourceRecord", errAccessDenied)
	}
	z := t.server.dom.zone(c.Zone)
	if z == nil {
		return t.fail("Get-DnsServerResourceRecord", errNoZone)
	}
	switch {
	case c.Adopt:
		return c.adopt(t, z)
	case c.Set != nil:
		return c.set(t, z)
	default:
		return c.remove(t, z)
	}
}

func (c *recordChange) set(t *attempt, z *zone) (conflict string) {
	same, sameStands := c.static(z, c.Set.Value), z.lookup(c.Name, c.Type, c.Set.Value) != nil
	old := c.old(z)
	inPlace := old != nil && sameValue(c.Type, old.Value, c.Set.Value)
	switch {
	case same != nil && c.fullyMarked(z) && (old == nil || inPlace):
		c.replace(t, z, *same)
	case len(z.find(c.Name, c.Type)) == 0:
		c.writeMarked(t, z, func() {
			t.run(addCmdlet(c.Type), func() *cmdletError { return c.add(z, c.Name, c.Type, *c.Set) })
		})
	case old != nil && len(c.ours(z)) > 0 && (inPlace || !sameStands):
		before := *old // adding texts may move the zone's records
		c.writeMarked(t, z, func() { c.replace(t, z, before) })
	default:
		return "a record stands that is not ours or not as expected"
	}
	c.removeTexts(t, z, func(text string) bool { return !slices.Contains(c.Mark.Texts, text) })
	return ""
}

// old is the static record with the value expected, or nil.
func (c *recordChange) old(z *zone) *Record {
	if c.Expect == nil || c.Expect.Value == "" {
		return nil
	}
	return c.static(z, c.Expect.Value)
}

// writeMarked completes the mark and then writes the record. Where somebody has
// made that record meanwhile, what was added is withdrawn: it would make it ours. So
// it is beside a CNAME.
func (c *recordChange) writeMarked(t *attempt, z *zone, write func()) {
	missing := c.missing(z)
	if c.addTexts(t, z, missing); t.err != nil {
		return
	}
	write()
	if t.err != nil && (t.err.Code == errRecordExists.Code || t.err.Code == errBesideCNAME.Code) {
		t.amend(func() {
			c.removeTexts(t, z, func(text string) bool { return slices.Contains(missing, text) })
		})
	}
}

func (c *recordChange) remove(t *attempt, z *zone) (conflict string) {
	if c.Expect != nil && c.Expect.Value != "" && z.lookup(c.Name, c.Type, c.Expect.Value) != nil {
		if c.old(z) == nil || len(c.ours(z)) == 0 {
			return "the record is dynamic or not marked"
		}
		t.run("Remove-DnsServerResourceRecord", func() *cmdletError {
			if c.Type == "A" {
				t.server.dom.dropPointer(c.Expect.Value, c.Name+"."+c.Zone)
			}
			return z.remove(c.Name, c.Type, c.Expect.Value)
		})
	}
	c.removeTexts(t, z, func(string) bool { return true })
	return ""
}

func (c *recordChange) adopt(t *attempt, z *zone) (conflict string) {
	if c.old(z) == nil {
		return "the record to adopt does not stand as expected"
	}
	c.addTexts(t, z, c.missing(z))
	return ""
}

func (c *recordChange) stands(x *session) bool {
	z := x.server.dom.zone(c.Zone)
	if z == nil || !x.mayDNS() {
		return false
	}
	switch {
	case c.Adopt:
		return c.fullyMarked(z)
	case c.Set != nil:
		r := c.static(z, c.Set.Value)
		return r != nil && (c.Set.TTL == 0 || r.TTL == seconds(c.Set.TTL)) && c.fullyMarked(z)
	default:
		return c.old(z) == nil && len(c.ours(z)) == 0
	}
}

// static is the record with a value that no client of the server wrote.
func (c *recordChange) static(z *zone, value string) *Record {
	if r := z.lookup(c.Name, c.Type, value); r != nil && !r.Dynamic() {
		return r
	}
	return nil
}

// ours are the texts at the mark's name that carry our mark.
func (c *recordChange) ours(z *zone) []string {
	var found []string
	for _, r := range z.find(c.Mark.Name, "TXT") {
		if slices.ContainsFunc(c.Mark.Owned, func(owned string) bool { return begins(r.Value, owned) }) {
			found = append(found, r.Value)
		}
	}
	return found
}

func (c *recordChange) fullyMarked(z *zone) bool { return len(c.missing(z)) == 0 }

// missing are the texts of the mark that do not stand.
func (c *recordChange) missing(z *zone) []string {
	var texts []string
	for _, text := range c.Mark.Texts {
		if z.lookup(c.Mark.Name, "TXT", text) == nil {
			texts = append(texts, text)
		}
	}
	return texts
}

func (c *recordChange) addTexts(t *attempt, z *zone, texts []string) {
	for _, text := range texts {
		state := recordState{Value: text, TTL: c.Mark.TTL}
		t.run(addCmdlet("TXT"), func() *cmdletError { return c.add(z, c.Mark.Name, "TXT", state) })
	}
}

// removeTexts removes those of our texts for which goes holds.
func (c *recordChange) removeTexts(t *attempt, z *zone, goes func(string) bool) {
	for _, text := range c.ours(z) {
		if goes(text) {
			t.run("Remove-DnsServerResourceRecord", func() *cmdletError { return z.remove(c.Mark.Name, "TXT", text) })
		}
	}
}

func (c *recordChange) add(z *zone, name, kind string, state recordState) *cmdletError {
	r := Record{Name: name, Type: kind, Value: canonicalValue(kind, state.Value), TTL: seconds(state.TTL)}
	if r.TTL == 0 {
		r.TTL = defaultTTL
	}
	if err := checkRecord(r); err != nil {
		return err
	}
	return z.add(r)
}

// replace changes a record in place, as Set-DnsServerResourceRecord does; one
// that is as asked stays.
func (c *recordChange) replace(t *attempt, z *zone, old Record) {
	changed := old
	changed.Value = canonicalValue(c.Type, c.Set.Value)
	if c.Set.TTL != 0 {
		changed.TTL = seconds(c.Set.TTL)
	}
	if sameValue(c.Type, old.Value, changed.Value) && old.TTL == changed.TTL {
		return
	}
	t.run("Set-DnsServerResourceRecord", func() *cmdletError {
		if err := checkRecord(changed); err != nil {
			return err
		}
		from, to := z.lookup(old.Name, old.Type, old.Value), z.lookup(changed.Name, changed.Type, changed.Value)
		if to != nil && to != from {
			return errRecordExists
		}
		*from = changed
		return nil
	})
}

// checkRecord is what a cmdlet's parameters refuse.
func checkRecord(r Record) *cmdletError {
	const maxText = 254
	ip, _ := netip.ParseAddr(r.Value)
	switch {
	case r.Name == "" || strings.HasSuffix(r.Name, "."):
		return errNameNotInZone
	case r.Type == "A" && !ip.Is4(),
		r.Type == "AAAA" && (!ip.Is6() || ip.Is4In6()),
		r.Type == "TXT" && len(r.Value) > maxText,
		r.Value == "" || r.Value == ".":
		return errBadParameter
	}
	return nil
}

func addCmdlet(kind string) string {
	switch kind {
	case "A", "AAAA":
		return "Add-DnsServerResourceRecord" + kind
	case "CNAME":
		return "Add-DnsServerResourceRecordCName"
	case "PTR":
		return "Add-DnsServerResourceRecordPtr"
	}
	return "Add-DnsServerResourceRecord"
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
