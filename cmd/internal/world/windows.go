package world

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/inventory/windows/winsim"
)

// zones and scopes are what the Windows administrators made before.
var zones = []string{"etu.isima.fr", "cri.local.isima.fr", "79.168.192.in-addr.arpa", "84.168.192.in-addr.arpa", "85.168.192.in-addr.arpa"}

var scopes = []winsim.Scope{
	scope("192.168.84.0", "192.168.84.20", "192.168.84.250", "etu.isima.fr"),
	// Wide enough for every student of a semester.
	{ID: netip.MustParseAddr("192.168.85.0"), Start: netip.MustParseAddr("192.168.85.20"), End: netip.MustParseAddr("192.168.85.250"),
		Mask: netip.MustParseAddr("255.255.255.0"), Name: "vibr285", Zone: "etu.isima.fr"},
}

func scope(id, start, end, zone string) winsim.Scope {
	return winsim.Scope{
		ID: netip.MustParseAddr(id), Start: netip.MustParseAddr(start), End: netip.MustParseAddr(end),
		Mask: netip.MustParseAddr("255.255.255.0"), Name: id, Zone: zone,
	}
}

const windowsUser, windowsPassword = "svc-provost", "demo only, never leaves this machine"

// startWindows starts two domain controllers that are DHCP fail-over partners.
func (w *World) startWindows(o Options) error {
	w.Domain = winsim.NewDomain("isima.fr")
	var ca strings.Builder
	for i, name := range []string{"dc1", "dc2"} {
		server, err := winsim.Start(winsim.Options{
			Name: name, Domain: w.Domain, CommandLine: windows.CommandLine(), Scripts: windows.Scripts(), Logger: o.Log,
			Users: []winsim.User{{Name: windowsUser, Password: windowsPassword, Groups: []string{winsim.DNSAdmins, winsim.DHCPAdministrators}}},
		})
		if err != nil {
			return err
		}
		w.Windows = append(w.Windows, server)
		w.stops = append(w.stops, server.Close)
		ca.Write(server.CACert())
		for _, s := range scopes {
			s.Partner = []string{"dc2", "dc1"}[i]
			if err := server.AddScope(s); err != nil {
				return err
			}
		}
		server.EnableFilterList(true, false)
	}
	for _, zone := range zones {
		w.Windows[0].AddZone(zone)
	}
	if err := w.Windows[0].AddRecord(winsim.Record{Zone: "cri.local.isima.fr", Name: "old-wiki", Type: "A", Value: "192.168.79.20"}); err != nil {
		return err
	}
	if _, err := w.secret("windows-ca.pem", []byte(ca.String())); err != nil {
		return err
	}
	_, err := w.secret("windows-password", []byte(windowsPassword+"\n"))
	return err
}

// boot lets every machine that runs and has not asked yet ask for an address.
func (w *World) boot(asked map[int]bool) {
	for _, g := range w.PVE.Guests() {
		if g.Status != "running" {
			delete(asked, g.VMID)
			continue
		}
		if asked[g.VMID] {
			continue
		}
		asked[g.VMID] = true
		mac, scope, ok := client(g)
		if !ok {
			continue
		}
		// What the filter does not allow gets no answer: nothing to report.
		_, _ = w.Windows[0].DHCPRequest(scope, mac, "", g.Name)
	}
}

// client is what a guest's DHCP client says of itself, where it has one.
func client(g pvesim.Guest) (mac string, scope netip.Addr, ok bool) {
	dhcp := strings.Contains(g.Config["net0"], "ip=dhcp") || strings.Contains(g.Config["ipconfig0"], "ip=dhcp")
	bridge := ""
	for part := range strings.SplitSeq(g.Config["net0"], ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "hwaddr", "virtio":
			mac = value
		case "bridge":
			bridge = strings.TrimPrefix(value, "vibr2")
		}
	}
	scope, err := netip.ParseAddr(fmt.Sprintf("192.168.%s.0", bridge))
	return mac, scope, dhcp && err == nil && mac != ""
}
