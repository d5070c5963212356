package world

import (
	"net/netip"
	"strings"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/inventory/windows/winsim"
)

// zones and scopes are what the Windows administrators made before.
var zones = []string{"etu.isima.fr", "cri.local.isima.fr", "79.168.192.in-addr.arpa", "84.168.192.in-addr.arpa", "85.10.in-addr.arpa"}

// scopes are by the bridge whose machines ask in them. That of the students is
// wide enough for a semester.
var scopes = map[string]winsim.Scope{
	"vibr284": scope("192.168.84.0", "192.168.84.20", "192.168.84.250", "255.255.255.0"),
	"vibr285": scope("10.85.0.0", "10.85.0.20", "10.85.3.250", "255.255.252.0"),
}

func scope(id, start, end, mask string) winsim.Scope {
	return winsim.Scope{
		ID: netip.MustParseAddr(id), Start: netip.MustParseAddr(start), End: netip.MustParseAddr(end),
		Mask: netip.MustParseAddr(mask), Name: id, Zone: "etu.isima.fr",
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
	if err := w.secret("windows-ca.pem", []byte(ca.String())); err != nil {
		return err
	}
	return w.secret("windows-password", []byte(windowsPassword+"\n"))
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
	if !strings.Contains(g.Config["net0"]+g.Config["ipconfig0"], "ip=dhcp") {
		return "", netip.Addr{}, false
	}
	for part := range strings.SplitSeq(g.Config["net0"], ",") {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "hwaddr", "virtio":
			mac = value
		case "bridge":
			scope = scopes[value].ID
		}
	}
	return mac, scope, mac != "" && scope.IsValid()
}
