package windows

import (
	"encoding/json"
	"log/slog"
	"testing"
)

// FuzzListing: whatever the scripts print, resources with sound keys come of it,
// and what was not answered is unknown.
func FuzzListing(f *testing.F) {
	f.Add([]byte(`[{"part":"zone","of":"etu.isima.fr","items":[{"type":"Primary"}]},{"part":"records","of":"etu.isima.fr","items":[` +
		`{"name":"vm-a","type":"A","value":"192.168.25.9","ttl":60,"static":true},{"name":"_provost.vm-a","type":"TXT","value":"provost: campus=isima key=ad/record/vm-a.etu.isima.fr/A type=A hash=x"}]},` +
		`{"part":"scopes","items":["192.168.25.0"]},{"part":"scope","of":"192.168.25.0","items":[{"start":"a","state":"Active"}]},` +
		`{"part":"reservations","of":"192.168.25.0","items":[{"ip":"192.168.25.9","clientId":"BC-24-11-00-00-14","name":"vm-a.etu.isima.fr","description":"x"}]},` +
		`{"part":"leases","of":"192.168.25.0","items":[{"ip":"192.168.25.9","clientId":"ff-01","hostName":"X","state":"Active"}]},` +
		`{"part":"filters","items":[{"mac":"BC-24-11-00-00-14","list":"Allow","description":"y"}]},{"part":"filterlist","items":[{"allow":true}]}]`))
	f.Add([]byte(`[{"part":"scopes","items":["",null,7]},{"part":"records","of":"etu.isima.fr","error":{"errorId":"WIN32 9601","message":"x"}}]`))
	s, err := New("ad", "isima", Config{
		DNS: DNSConfig{Servers: []string{"dc1"}, Zones: []string{forward}}, DHCP: DHCPConfig{Servers: []string{"dc1", "dc2"}},
		User: "u", PasswordFile: tempFile(f, "password", secret),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var sections []section
		if json.Unmarshal(data, &sections) != nil {
			return
		}
		clear(s.last)
		l := &listing{system: s}
		var partners []answer
		for _, h := range s.dhcp {
			partners = append(partners, newAnswer(h, sections, nil))
		}
		s.zones(l, partners[0])
		s.allDHCP(l, partners)
		l.sort()
		for _, r := range l.Items {
			if r.Key.System() != "ad" || r.Key.Kind() == "" || !r.Owner.IsZero() && r.Owner.Campus != "isima" {
				t.Errorf("%q of %v", r.Key, r.Owner)
			}
		}
		if len(l.Items) == 0 && len(l.Unknown) == 0 {
			t.Error("nothing is there, and nothing unknown")
		}
		results, err := decodeResults(sections)
		if err == nil && len(results) > len(data) {
			t.Error("more results than bytes")
		}
	})
}
