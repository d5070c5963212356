package winsim

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/masterzen/winrm"
)

const listAll = `{"zones":["etu.isima.fr"],"dhcp":true,"scopes":["192.168.25.0"]}`

// A fault of a verb strikes when the last piece of standard input arrives.
func TestVerbFaults(t *testing.T) {
	input := frame(testApply, `{"changes":[`+recordJSON("", "192.168.25.7", false)+`]}`)
	for _, test := range []struct {
		name string
		kind FaultKind
		// what the Send gets: a status, or 0 for a cut connection
		status int
		// what comes of a Receive: the parts of the output, "cut", or "idle"
		receive string
		done    bool // whether the change was made
	}{
		{"none", -1, 200, "results", true},
		{"Refuse", Refuse, 503, "idle", false},
		{"Fault500", Fault500, 500, "idle", false},
		{"DropBefore", DropBefore, 0, "idle", false},
		{"Hang", Hang, 200, "idle", false},
		{"LoseStdin", LoseStdin, 200, "fault", false},
		{"DropAnswer", DropAnswer, 200, "cut", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, nil)
			if test.kind >= 0 {
				s.Inject(Fault{Match: "apply", Kind: test.kind})
			}
			c := newClient(t, s, alice)
			c.params = winrm.NewParameters("PT0.05S", "en-US", 153600)
			id := c.start(testLine)
			status, body, err := c.post(c.sendMessage(id, input, true).String())
			if status != test.status || (err != nil) != (test.status == 0) {
				t.Fatalf("Send: status %d, err %v, want %d\n%s", status, err, test.status, body)
			}
			if got := c.receiveParts(id); got != test.receive {
				t.Errorf("Receive: %q, want %q", got, test.receive)
			}
			if done := len(s.Records()) > 0; done != test.done {
				t.Errorf("done %t, want %t", done, test.done)
			}
		})
	}
}

// receiveParts asks once for output.
func (c *client) receiveParts(command string) string {
	c.t.Helper()
	status, body, err := c.post(c.receiveMessage(command).String())
	switch {
	case err != nil:
		return "cut"
	case status != 200 && strings.Contains(body, "w:TimedOut"):
		return "idle"
	}
	var out strings.Builder
	if _, _, err := winrm.ParseSlurpOutputErrResponse(body, &out, &out); err != nil {
		c.t.Fatal(err)
	}
	sections, err := parseOutput(out.String())
	if err != nil {
		c.t.Fatal(err)
	}
	var parts []string
	for _, s := range sections {
		parts = append(parts, s.Part)
	}
	return strings.Join(parts, " ")
}

func TestFaultsOfMessages(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	create := func() (int, error) {
		status, _, err := c.post(winrm.NewOpenShellRequest(c.url, c.params).String())
		return status, err
	}
	s.Inject(Fault{Match: "Create", Skip: 1, Times: 2, Kind: Refuse, Status: http.StatusBadGateway})
	for i, want := range []int{200, 502, 502, 200} {
		if status, err := create(); err != nil || status != want {
			t.Errorf("try %d: status %d, err %v, want %d", i, status, err, want)
		}
	}
	for _, kind := range []FaultKind{DropBefore, DropAnswer} {
		c.open() // while logging in, the client takes a cut connection for a 401
		s.Inject(Fault{Match: "Create", Kind: kind})
		if status, err := create(); err == nil {
			t.Errorf("kind %d: status %d", kind, status)
		}
	}
	s.Inject(Fault{Match: "Create", Times: -1, Kind: Fault500})
	for range 3 {
		if status, _ := create(); status != 500 {
			t.Errorf("status %d, want 500", status)
		}
	}
	s.ClearFaults()
	if status, err := create(); status != 200 {
		t.Errorf("status %d, err %v after all faults were cleared", status, err)
	}
}

func TestFailItem(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	s.Inject(Fault{Match: "apply", Kind: FailItem, Item: "0", ErrorID: "WIN32 9717"})
	change := recordJSON("", "192.168.25.7", false)
	other := strings.NewReplacer(`"id":"0"`, `"id":"1"`, "vm-x", "vm-y").Replace(change)
	results := c.apply(change, other)
	if r := results[0]; r.Status != "failed" || r.ErrorID != "WIN32 9717,Add-DnsServerResourceRecord" || r.Category != "ResourceUnavailable" || r.Changed {
		t.Errorf("%+v", r)
	}
	if r := results[1]; r.Status != "done" {
		t.Errorf("%+v", r)
	}
	if r := c.apply(change)[0]; r.Status != "done" || !r.Changed {
		t.Errorf("the fault struck twice: %+v", r)
	}
}

// What a part of a list came to: its error ID, or how many items it has.
func listErrors(sections []section) map[string]string {
	got := map[string]string{}
	for _, s := range sections {
		if s.Error != nil {
			got[strings.TrimSpace(s.Part+" "+s.Of)] = s.Error.ErrorID
		}
	}
	return got
}

func TestListSaysWhatItCannotRead(t *testing.T) {
	s := startServer(t, nil)
	both := `{"zones":["etu.isima.fr","no.isima.fr"],"dhcp":true,"scopes":["192.168.25.0","10.0.0.0"]}`
	missing := map[string]string{
		"zone no.isima.fr": "WIN32 9601,Get-DnsServerZone", "records no.isima.fr": "WIN32 9601,Get-DnsServerResourceRecord",
		"scope 10.0.0.0": "DHCP 20005,Get-DhcpServerv4Scope", "reservations 10.0.0.0": "DHCP 20005,Get-DhcpServerv4Reservation",
		"leases 10.0.0.0": "DHCP 20005,Get-DhcpServerv4Lease",
	}
	check := func(name string, user User, document string, want map[string]string) {
		t.Helper()
		got := listErrors(newClient(t, s, user).do(testList, document))
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		for part, id := range want {
			if got[part] != id {
				t.Errorf("%s: %s is %q, want %q", name, part, got[part], id)
			}
		}
	}
	check("missing", alice, both, missing)
	check("reader of DHCP", bob, listAll, map[string]string{
		"zone etu.isima.fr": "WIN32 5,Get-DnsServerZone", "records etu.isima.fr": "WIN32 5,Get-DnsServerResourceRecord",
	})
	check("nobody", carol, `{"zones":[],"dhcp":true,"scopes":[]}`, map[string]string{
		"scopes": "WIN32 5,Get-DhcpServerv4Scope", "filters": "WIN32 5,Get-DhcpServerv4Filter", "filterlist": "WIN32 5,Get-DhcpServerv4FilterList",
	})
	s.ScopeUnreadable(testScope.ID, true)
	check("broken scope", alice, listAll, map[string]string{
		"scope 192.168.25.0": "DHCP 20013,Get-DhcpServerv4Scope", "reservations 192.168.25.0": "DHCP 20013,Get-DhcpServerv4Reservation",
		"leases 192.168.25.0": "DHCP 20013,Get-DhcpServerv4Lease",
	})
	s.ScopeUnreadable(testScope.ID, false)
	check("mended scope", alice, listAll, nil)
	s.Inject(Fault{Match: "list", Kind: FailItem, Item: "etu.isima.fr", ErrorID: "WIN32 9717"})
	check("directory away", alice, listAll, map[string]string{
		"zone etu.isima.fr": "WIN32 9717,Get-DnsServerZone", "records etu.isima.fr": "WIN32 9717,Get-DnsServerResourceRecord",
	})
}

func TestDownAndUp(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	c.open()
	receive := c.receiveMessage(c.start(testLine)).String()
	errs := make(chan error, 1)
	go func() {
		_, _, err := c.post(receive)
		errs <- err
	}()
	s.Down()
	if err := <-errs; err == nil {
		t.Error("a Receive outlived the server")
	}
	if status, _, err := c.post(receive); err == nil {
		t.Errorf("status %d from a server that is down", status)
	}
	s.Up()
	c.open()
}

func TestRestartOfTheService(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	id := c.start(testLine)
	s.CloseShells()
	status, body, err := c.post(c.receiveMessage(id).String())
	if err != nil || status != 500 || !strings.Contains(body, "2150858843") {
		t.Errorf("status %d, err %v\n%s", status, err, body)
	}
	c.shell = ""
	c.do(testList, listAll)
}

func TestStartRefuses(t *testing.T) {
	d := NewDomain("etu.isima.fr")
	for name, o := range map[string]Options{
		"no name":    {Domain: d},
		"no domain":  {Name: "dc1"},
		"no script":  {Name: "dc1", Domain: d, CommandLine: "powershell.exe -File x"},
		"bad base64": {Name: "dc1", Domain: d, CommandLine: "powershell.exe -EncodedCommand !"},
	} {
		if s, err := Start(o); err == nil {
			s.Close()
			t.Errorf("%s: it started", name)
		}
	}
	var none *cmdletError
	if errors.As(errLogin, &none) {
		t.Error("a login error is no cmdlet's")
	}
}
