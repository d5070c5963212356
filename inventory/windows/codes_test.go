package windows

import (
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/windows/winsim"
)

func TestErrorsAreSaidInOneLanguage(t *testing.T) {
	for _, tt := range []struct {
		err     remoteError
		want    string
		passing bool
	}{
		{remoteError{"WIN32 9709,Add-DnsServerResourceRecordA", "ResourceExists", "Échec de la création."},
			"a CNAME and other records cannot share a name (WIN32 9709,Add-DnsServerResourceRecordA)", false},
		{remoteError{"WIN32 1722,Get-DnsServerZone", "ObjectNotFound", "Der RPC-Server ist nicht verfügbar."},
			"the service cannot be reached on the server (WIN32 1722,Get-DnsServerZone)", true},
		{remoteError{"DHCP 20095,Remove-DhcpServerv4Filter", "ObjectNotFound", "…"},
			"the MAC is in no filter list any more (DHCP 20095,Remove-DhcpServerv4Filter)", true},
		{remoteError{"WIN32 4711,Get-DnsServerZone", "NotSpecified", " Zut. "}, "Zut. (WIN32 4711,Get-DnsServerZone)", false},
		{remoteError{"DHCP 1,Get-DhcpServerv4Scope", "ResourceBusy", "Moment."}, "Moment. (DHCP 1,Get-DhcpServerv4Scope)", true},
		{remoteError{Message: "no id"}, "no id", false},
	} {
		if got := tt.err.Error(); got != tt.want || tt.err.passing() != tt.passing {
			t.Errorf("%q, passing %v; want %q, %v", got, tt.err.passing(), tt.want, tt.passing)
		}
	}
}

// Windows removes the PTR that points back along with an address record. One that is
// declared all the same is made anew by the next pass, and one that points elsewhere
// stays.
func TestAPointerGoesWithItsAddress(t *testing.T) {
	l := newLab(t)
	must(t, l.dc1.AddRecord(winsim.Record{Zone: reverse, Name: "10", Type: "PTR", Value: "printer.etu.isima.fr."}))
	a, b := record("vm-x", forward, "A", "192.168.25.9"), record("vm-y", forward, "A", "192.168.25.10")
	back := record("9", reverse, "PTR", "vm-x.etu.isima.fr")
	for _, r := range []*inventory.Resource{a, b, back} {
		l.make(t, inventory.Create, nil, r)
	}
	l.make(t, inventory.Delete, l.live(t, a.Key), nil)
	l.make(t, inventory.Delete, l.live(t, b.Key), nil)
	if got := l.stands(); !slices.Equal(got, []string{"10 PTR printer.etu.isima.fr."}) {
		t.Errorf("stands %q", got)
	}
	half := l.live(t, back.Key)
	if half == nil || half.Owner.IsZero() || half.Attrs["value"] != "" {
		t.Fatalf("its mark is listed as %v", half)
	}
	l.make(t, inventory.Update, half, back)
	if got := l.stands(); !slices.Contains(got, "9 PTR vm-x.etu.isima.fr.") {
		t.Errorf("stands %q", got)
	}
}

// Beside somebody's CNAME nothing is written, and nothing is left that would speak of
// a record that never comes.
func TestARecordBesideACNAME(t *testing.T) {
	l := newLab(t)
	must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "vm-x", Type: "CNAME", Value: "elsewhere.isima.fr."}))
	s := l.open(t)
	r := record("vm-x", forward, "A", "192.168.25.9")
	for range 2 {
		o := s.Apply(t.Context(), []inventory.Change{{Key: r.Key, Action: inventory.Create, After: r}}, func(inventory.Event) {})[0]
		if o.State != inventory.StateFailed || !strings.Contains(o.Error, "a CNAME and other records") {
			t.Errorf("%+v", o)
		}
	}
	if got := l.stands(); !slices.Equal(got, []string{"vm-x CNAME elsewhere.isima.fr."}) || l.marks() != 0 {
		t.Errorf("%v with %d marks", got, l.marks())
	}
}
