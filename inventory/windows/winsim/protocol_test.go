package winsim

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"
	"github.com/masterzen/winrm"
)

func TestRunsOurScript(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	sections := c.do(testList, `{"zones":["etu.isima.fr"],"dhcp":true,"scopes":[]}`)
	var parts []string
	for _, x := range sections {
		parts = append(parts, x.Part)
	}
	want := []string{"zone", "records", "scopes", "scope", "reservations", "leases", "filters", "filterlist"}
	if !slices.Equal(parts, want) {
		t.Errorf("parts %v, want %v", parts, want)
	}
	c.must(winrm.NewDeleteShellRequest(c.url, c.shell, c.params))
	counts := s.Commands()
	if counts.Commands != 1 || counts.Verbs["list"] != 1 {
		t.Errorf("counted %+v", counts)
	}
	// Create, Command, Send, Send, Receive, Signal, Delete.
	if counts.Messages != 7 {
		t.Errorf("%d messages, want 7", counts.Messages)
	}
	// The first message is sent three times: bare, with NTLM's first and third message.
	if counts.Requests != 9 {
		t.Errorf("%d requests, want 9", counts.Requests)
	}
	if got := s.Rejected(); len(got) != 0 {
		t.Errorf("rejected %v", got)
	}
}

func TestLargeOutputComesInPieces(t *testing.T) {
	s := startServer(t, nil)
	for i := range 3000 {
		r := Record{Zone: "etu.isima.fr", Name: "h" + strings.Repeat("x", i%40) + string(rune('a'+i%26)), Type: "TXT", Value: strings.Repeat("v", i%200) + time.Duration(i).String()}
		if err := s.AddRecord(r); err != nil {
			t.Fatal(err)
		}
	}
	c := newClient(t, s, alice)
	id := c.start(testLine)
	c.must(c.sendMessage(id, frame(testList, `{"zones":["etu.isima.fr"],"dhcp":false,"scopes":[]}`), true))
	pieces := 0
	var out strings.Builder
	for done := false; !done; pieces++ {
		body := c.must(c.receiveMessage(id))
		if len(body) > 153600 {
			t.Fatalf("an envelope of %d bytes", len(body))
		}
		var err error
		if done, _, err = winrm.ParseSlurpOutputErrResponse(body, &out, &out); err != nil {
			t.Fatal(err)
		}
	}
	sections, err := parseOutput(out.String())
	if err != nil {
		t.Fatal(err)
	}
	if pieces < 3 || len(sections) != 1+6 {
		t.Errorf("%d pieces, %d sections", pieces, len(sections))
	}
}

func TestLogin(t *testing.T) {
	s := startServer(t, nil)
	for _, test := range []struct {
		name string
		user User
		want int
	}{
		{"plain name", alice, 200},
		{"other case", User{Name: "ALICE", Password: alicePassword}, 200},
		{"domain", User{Name: `ETU\alice`, Password: alicePassword}, 200},
		{"principal name", User{Name: "alice@etu.isima.fr", Password: alicePassword}, 200},
		{"computer", User{Name: `dc1\alice`, Password: alicePassword}, 200},
		{"other domain", User{Name: `OTHER\alice`, Password: alicePassword}, 401},
		{"wrong password", User{Name: "alice", Password: "Correct horse"}, 401},
		{"nobody", User{Name: "mallory", Password: alicePassword}, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t, s, test.user)
			status, _, err := c.post(winrm.NewOpenShellRequest(c.url, c.params).String())
			if err != nil || status != test.want {
				t.Errorf("status %d, err %v, want %d", status, err, test.want)
			}
		})
	}
}

func TestOffersOnlyNegotiate(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	req, err := http.NewRequest(http.MethodPost, s.URL(), strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("alice", alicePassword)
	resp, err := c.http.Transport.(ntlmssp.Negotiator).RoundTripper.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Values("WWW-Authenticate"); resp.StatusCode != 401 || !slices.Equal(got, []string{"Negotiate"}) {
		t.Errorf("Basic was answered with %d and %v", resp.StatusCode, got)
	}
}

func TestRefusesMessages(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	running := c.start(testLine)
	create := winrm.NewOpenShellRequest(c.url, c.params).String()
	receive := c.receiveMessage(running).String()
	replace := func(message, old, new string) string {
		if !strings.Contains(message, old) {
			t.Fatalf("%q is not in\n%s", old, message)
		}
		return strings.Replace(message, old, new, 1)
	}
	for _, test := range []struct {
		name, message string
		subcode, code string
	}{
		{"no XML", "hello", "w:SchemaValidationError", "2150858819"},
		{"a document type", "<!DOCTYPE x>" + create, "w:SchemaValidationError", "2150858819"},
		{"something behind", create + "<x/>", "w:SchemaValidationError", "2150858819"},
		{"other SOAP", replace(create, nsSOAP, "http://schemas.xmlsoap.org/soap/envelope/"), "w:SchemaValidationError", "2150858819"},
		{"other addressing", replace(create, nsAddressing, "http://www.w3.org/2005/08/addressing"), "s:MustUnderstand", "2150858768"},
		{"no message ID", replace(create, "a:MessageID>", "a:Message>"), "w:SchemaValidationError", "2150858819"},
		{"unknown action", replace(create, nsTransfer+"/Create", nsTransfer+"/Put"), "a:ActionNotSupported", "2150858771"},
		{"other resource", replace(create, resourceCmd, nsShell+"/PowerShell"), "w:InvalidResourceURI", "2150858811"},
		{"tiny envelope", replace(create, ">153600<", ">8191<"), "w:EncodingLimit", "2150858878"},
		{"bad timeout", replace(create, ">PT1S<", ">1 s<"), "w:InvalidTimeout", "2150858881"},
		{"too large", create + strings.Repeat(" ", 153600), "w:EncodingLimit", "2150858825"},
		{"no input stream", replace(create, ">stdin<", ">pr<"), "w:SchemaValidationError", "2150858817"},
		{"no shell", replace(receive, c.shell, newGUID()), "w:InvalidSelectors", "2150858843"},
		{"no selector", replace(receive, `Name="ShellId"`, `Name="Other"`), "w:InvalidSelectors", "2150858813"},
		{"no command", replace(receive, running, newGUID()), "w:InvalidParameter", "2150858810"},
		{"unknown stream", replace(receive, "stdout stderr", "stdout pr"), "w:InvalidParameter", "2150858810"},
		{"idle", receive, "w:TimedOut", "2150858793"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body, err := c.post(test.message)
			if err != nil || status != 500 {
				t.Fatalf("status %d, err %v", status, err)
			}
			for _, want := range []string{">" + test.subcode + "<", `Code="` + test.code + `"`, "wsman/fault"} {
				if !strings.Contains(body, want) {
					t.Errorf("no %s in\n%s", want, body)
				}
			}
		})
	}
}

func TestAnswersCarryTheIDOfTheirRequest(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	for _, message := range []string{
		winrm.NewOpenShellRequest(c.url, c.params).String(),
		winrm.NewDeleteShellRequest(c.url, newGUID(), c.params).String(), // a fault
	} {
		_, id, _ := strings.Cut(message, "<a:MessageID>")
		id, _, _ = strings.Cut(id, "<")
		_, body, err := c.post(message)
		if err != nil || !strings.Contains(body, "<a:RelatesTo>"+id+"</a:RelatesTo>") {
			t.Errorf("err %v, no %q in\n%s", err, id, body)
		}
	}
}

func TestQuotas(t *testing.T) {
	s := startServer(t, func(o *Options) { o.MaxShells, o.MaxProcesses, o.MaxOperations = 2, 2, 3 })
	c := newClient(t, s, alice)
	fails := func(message, code string) {
		t.Helper()
		if status, body, err := c.post(message); err != nil || status != 500 || !strings.Contains(body, `Code="`+code+`"`) {
			t.Errorf("status %d, err %v, want code %s in\n%s", status, err, code, body)
		}
	}
	start := func() string {
		return winrm.NewExecuteCommandRequest(c.url, c.shell, testLine, nil, c.params).String()
	}
	c.open()
	first := c.shell
	c.open()
	fails(winrm.NewOpenShellRequest(c.url, c.params).String(), "2150859173")
	one := c.start(testLine)
	c.start(testLine)
	fails(start(), "2150858815") // a third process
	c.must(c.signalMessage(one))
	c.start(testLine)
	fails(start(), "2150859174") // a fourth operation, though one is over
	c.must(winrm.NewDeleteShellRequest(c.url, c.shell, c.params))
	c.shell = first
	c.start(testLine)

	other := newClient(t, s, bob)
	other.shell = c.shell
	if _, body, _ := other.post(other.signalMessage(one).String()); !strings.Contains(body, "w:AccessDenied") {
		t.Errorf("another user may use the shell:\n%s", body)
	}
}

func TestCommandLines(t *testing.T) {
	encoded := func(script string) string { return base64.StdEncoding.EncodeToString(toUTF16(script)) }
	for _, test := range []struct {
		name, line string
		stderr     string // "" for a command that waits for its input
		rejected   string
	}{
		{"ours", testLine, "", ""},
		{"short switch", "powershell -enc " + encoded(testBootstrap), "", ""},
		{"full path", `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -EncodedCommand ` + encoded(testBootstrap), "", ""},
		{"other script", "powershell -EncodedCommand " + encoded("Get-Date"), "#< CLIXML\r\n", "bootstrap " + hashOf([]byte("Get-Date"))},
		{"no script", "powershell -File x.ps1", "#< CLIXML\r\n", "there is no -EncodedCommand: powershell -File x.ps1"},
		{"other program", "hostname", "'hostname' is not recognized", "program: hostname"},
		{"too long", testLine + strings.Repeat(" ", maxCmdLine) + "-NoLogo", "The command line is too long.\r\n", "command line too long: powershell.exe -NoProfile -NonInteractive -ExecutionPolicy B…"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, nil)
			c := newClient(t, s, alice)
			id := c.start(test.line)
			if test.stderr != "" {
				if _, stderr, exit := c.collect(id); exit != 1 || !strings.HasPrefix(stderr, test.stderr) {
					t.Errorf("exit %d, stderr %q", exit, stderr)
				}
			}
			if got := strings.Join(s.Rejected(), "; "); got != test.rejected {
				t.Errorf("rejected %q, want %q", got, test.rejected)
			}
		})
	}
}

func TestSkipCmdShell(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	c.open()
	message := func(line string) string {
		m := winrm.NewExecuteCommandRequest(c.url, c.shell, line, nil, c.params).String()
		return strings.Replace(m, `Name="WINRS_SKIP_CMD_SHELL">FALSE`, `Name="WINRS_SKIP_CMD_SHELL">TRUE`, 1)
	}
	for line, want := range map[string]int{
		testLine: 200,
		testLine + strings.Repeat(" -NoLogo", 2000): 200, // longer than cmd.exe takes
		testLine + strings.Repeat(" -NoLogo", 5000): 500,
		"hostname": 500,
	} {
		if status, body, err := c.post(message(line)); err != nil || status != want {
			t.Errorf("%.20s… of %d: status %d, err %v, want %d\n%s", line, len(line), status, err, want, body)
		}
	}
}

func TestDamagedInputRunsNothing(t *testing.T) {
	whole := string(frame(testList, `{"zones":[],"dhcp":true,"scopes":[]}`))
	for name, input := range map[string]string{
		"nothing":    "",
		"cut":        whole[:len(whole)-5],
		"no newline": whole[:len(whole)-1],
		"one bit":    strings.Replace(whole, "provost1 14", "provost1 15", 1),
		"other hash": strings.Replace(whole, hashOf([]byte(testList)), hashOf(nil), 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, nil)
			stdout, _, exit := newClient(t, s, alice).run([]byte(input))
			sections, err := parseOutput(stdout)
			if err != nil || exit != 0 || len(sections) != 1 || sections[0].Part != "fault" || sections[0].Of != "frame" {
				t.Errorf("exit %d, err %v, sections %+v", exit, err, sections)
			}
			if n := s.Commands().Commands; n != 0 {
				t.Errorf("%d commands ran", n)
			}
		})
	}
}

func TestUnknownScriptIsRejected(t *testing.T) {
	s := startServer(t, nil)
	stdout, stderr, exit := newClient(t, s, alice).run(frame("Remove-Item", "{}"))
	if exit != 1 || stdout != "" || !strings.HasPrefix(stderr, "#< CLIXML") {
		t.Errorf("exit %d, stdout %q, stderr %q", exit, stdout, stderr)
	}
	if want := []string{"script " + hashOf([]byte("Remove-Item"))}; !slices.Equal(s.Rejected(), want) {
		t.Errorf("rejected %v, want %v", s.Rejected(), want)
	}
}

func TestInputAfterTheEnd(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	id := c.start(testLine)
	c.must(c.sendMessage(id, frame(testList, `{}`), true))
	if status, body, err := c.post(c.sendMessage(id, []byte("x"), true).String()); err != nil || status != 500 || !strings.Contains(body, `Code="232"`) {
		t.Errorf("status %d, err %v\n%s", status, err, body)
	}
}

func TestBasicWhereItIsAllowed(t *testing.T) {
	s := startServer(t, func(o *Options) { o.AllowBasic = true })
	c := newClient(t, s, alice)
	c.http.Transport = c.http.Transport.(ntlmssp.Negotiator).RoundTripper
	for password, want := range map[string]int{alicePassword: 200, "wrong": 401} {
		c.password = password
		c.http.CloseIdleConnections() // a login lasts as long as its connection
		if status, _, err := c.post(winrm.NewOpenShellRequest(c.url, c.params).String()); err != nil || status != want {
			t.Errorf("%q: status %d, err %v, want %d", password, status, err, want)
		}
	}
}

func TestInterrupt(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	id := c.start(testLine)
	signal := func(name string) string {
		return strings.Replace(c.signalMessage(id).String(), "signal/terminate", "signal/"+name, 1)
	}
	answers := func(want int, message string) {
		t.Helper()
		if status, body, err := c.post(message); err != nil || status != want {
			t.Errorf("status %d, err %v, want %d\n%s", status, err, want, body)
		}
	}
	answers(200, signal("ctrl_c"))
	if _, _, exit := c.collect(id); exit == 0 {
		t.Error("an interrupted command ended well")
	}
	answers(500, signal("wave"))
	answers(200, signal("terminate"))
	answers(500, c.receiveMessage(id).String())
}

func TestOnlyPostToWSMan(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	for _, test := range []struct {
		method, url, contentType string
		want                     int
	}{
		{http.MethodGet, c.url, soapType, 405},
		{http.MethodPost, strings.TrimSuffix(c.url, "wsman"), soapType, 404},
		{http.MethodPost, c.url, "text/plain", 415},
		{http.MethodPost, c.url, sealedType, 500}, // Azure's client negotiates no sealing
	} {
		req, err := http.NewRequest(test.method, test.url, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", test.contentType)
		req.SetBasicAuth(c.user, c.password)
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s %s %s: status %d, want %d", test.method, test.url, test.contentType, resp.StatusCode, test.want)
		}
	}
}
