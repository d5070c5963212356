package winsim

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/Azure/go-ntlmssp"
	"github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"
)

// The tests have scripts of their own: the double knows scripts by their hash
// and never reads them.
const (
	testBootstrap = "bootstrap"
	testList      = "script of list"
	testApply     = "script of apply"

	alicePassword = "correct horse"
)

var (
	testScripts = map[string]string{hashOf([]byte(testList)): "list", hashOf([]byte(testApply)): "apply"}
	testLine    = "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand " +
		base64.StdEncoding.EncodeToString(toUTF16(testBootstrap))

	alice = User{Name: "alice", Password: alicePassword, Groups: []string{DNSAdmins, DHCPAdministrators}}
	bob   = User{Name: "bob", Password: "p", Groups: []string{DHCPUsers}}
	carol = User{Name: "carol", Password: "q"}
)

// startServer starts a server with one zone, its reverse, and one scope.
func startServer(t testing.TB, change func(*Options)) *Server {
	t.Helper()
	o := Options{
		Name: "dc1", Domain: NewDomain("etu.isima.fr"), Users: []User{alice, bob, carol},
		CommandLine: testLine, Scripts: testScripts,
	}
	if change != nil {
		change(&o)
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.AddZone("etu.isima.fr")
	s.AddZone("25.168.192.in-addr.arpa")
	if err := s.AddScope(testScope); err != nil {
		t.Fatal(err)
	}
	return s
}

var testScope = Scope{
	ID: ip("192.168.25.0"), Name: "etu", Start: ip("192.168.25.10"), End: ip("192.168.25.14"),
	Mask: ip("255.255.255.0"), Zone: "etu.isima.fr",
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// client speaks WS-Management with the messages of masterzen/winrm, one after
// another over connections that Azure's NTLM logs in.
type client struct {
	t              testing.TB
	url            string
	user, password string
	tls            *tls.Config
	http           *http.Client
	params         *winrm.Parameters
	shell          string
}

func newClient(t testing.TB, s *Server, user User) *client {
	return newClientOver(t, s, user, (&net.Dialer{}).DialContext)
}

func newClientOver(t testing.TB, s *Server, user User, dial dialer) *client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CACert())
	config := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	transport := &http.Transport{TLSClientConfig: config, DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{
		t: t, url: s.URL(), user: user.Name, password: user.Password, tls: config,
		http:   &http.Client{Transport: ntlmssp.Negotiator{RoundTripper: transport}},
		params: winrm.NewParameters("PT1S", "en-US", 153600),
	}
}

// post sends a message and gives status and body.
func (c *client) post(message string) (int, string, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url, strings.NewReader(message))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", soapType)
	req.SetBasicAuth(c.user, c.password)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// must sends a message that has to be answered with 200.
func (c *client) must(m *soap.SoapMessage) string {
	c.t.Helper()
	defer m.Free()
	status, body, err := c.post(m.String())
	if err != nil || status != http.StatusOK {
		c.t.Fatalf("status %d, err %v\n%s", status, err, body)
	}
	return body
}

func (c *client) open() {
	c.t.Helper()
	id, err := winrm.ParseOpenShellResponse(c.must(winrm.NewOpenShellRequest(c.url, c.params)))
	if err != nil || id == "" {
		c.t.Fatalf("no shell: %v", err)
	}
	c.shell = id
}

func (c *client) start(line string) string {
	c.t.Helper()
	if c.shell == "" {
		c.open()
	}
	id, err := winrm.ParseExecuteCommandResponse(c.must(winrm.NewExecuteCommandRequest(c.url, c.shell, line, nil, c.params)))
	if err != nil || id == "" {
		c.t.Fatalf("no command: %v", err)
	}
	return id
}

func (c *client) sendMessage(command string, data []byte, end bool) *soap.SoapMessage {
	return winrm.NewSendInputRequest(c.url, c.shell, command, data, end, c.params)
}

func (c *client) receiveMessage(command string) *soap.SoapMessage {
	return winrm.NewGetOutputRequest(c.url, c.shell, command, "stdout stderr", c.params)
}

func (c *client) signalMessage(command string) *soap.SoapMessage {
	return winrm.NewSignalRequest(c.url, c.shell, command, c.params)
}

// collect fetches output until the command is done.
func (c *client) collect(command string) (stdout, stderr string, exit int) {
	c.t.Helper()
	var out, err bytes.Buffer
	for {
		done, code, e := winrm.ParseSlurpOutputErrResponse(c.must(c.receiveMessage(command)), &out, &err)
		if e != nil {
			c.t.Fatal(e)
		}
		if done {
			return out.String(), err.String(), code
		}
	}
}

// run is a whole command: start, standard input in two pieces, output, signal.
func (c *client) run(input []byte) (stdout, stderr string, exit int) {
	c.t.Helper()
	id := c.start(testLine)
	c.must(c.sendMessage(id, input[:len(input)/2], false))
	c.must(c.sendMessage(id, input[len(input)/2:], true))
	stdout, stderr, exit = c.collect(id)
	c.must(c.signalMessage(id))
	return stdout, stderr, exit
}

// do runs a script of ours and reads its sections.
func (c *client) do(script, document string) []section {
	c.t.Helper()
	stdout, stderr, exit := c.run(frame(script, document))
	if exit != 0 {
		c.t.Fatalf("exit %d: %s", exit, stderr)
	}
	sections, err := parseOutput(stdout)
	if err != nil {
		c.t.Fatalf("%v\n%s", err, stdout)
	}
	return sections
}

// frame is standard input as the contract wants it.
func frame(script, document string) []byte {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "provost1 %d %s %d %s\n%s\n%s\n",
		len(script), hashOf([]byte(script)), len(document), hashOf([]byte(document)), encode([]byte(script)), encode([]byte(document)))
}

// parseOutput reads standard output as a client has to: the trailer must fit.
func parseOutput(stdout string) ([]section, error) {
	var sections []section
	var hashed strings.Builder
	for line := range strings.Lines(stdout) {
		text, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "provost1 ")
		if !ok {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		var end struct {
			Part   string
			Count  int
			SHA256 string
		}
		if err := json.Unmarshal(raw, &end); err != nil {
			return nil, err
		}
		if end.Part == "trailer" {
			if end.Count != len(sections) || end.SHA256 != hashOf([]byte(hashed.String())) {
				return nil, fmt.Errorf("the trailer does not fit: %s", raw)
			}
			return sections, nil
		}
		var s section
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		hashed.WriteString(text + "\n")
		sections = append(sections, s)
	}
	return nil, fmt.Errorf("there is no trailer")
}

// apply runs changes, given as JSON objects, and gives the results.
func (c *client) apply(changes ...string) []resultItem {
	c.t.Helper()
	var results []resultItem
	for _, s := range c.do(testApply, `{"changes":[`+strings.Join(changes, ",")+`]}`) {
		if s.Error != nil {
			c.t.Fatalf("%s of %q: %+v", s.Part, s.Of, s.Error)
		}
		var items []resultItem
		if err := json.Unmarshal(s.Items, &items); err != nil {
			c.t.Fatal(err)
		}
		results = append(results, items...)
	}
	return results
}
