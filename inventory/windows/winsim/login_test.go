package winsim

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	bodgit "github.com/bodgit/ntlmssp"
	bodgithttp "github.com/bodgit/ntlmssp/http"
	"github.com/masterzen/winrm"
)

// Three NTLM implementations of other people log in to the acceptor: Azure's
// (in every other test), bodgit's, and Python's.

func TestLibraryOverHTTPS(t *testing.T) {
	s := startServer(t, nil)
	host, port := hostPort(t, s)
	endpoint := winrm.NewEndpoint(host, port, true, false, s.CACert(), nil, nil, 0)
	params := winrm.NewParameters("PT1S", "en-US", 153600)
	params.TransportDecorator = func() winrm.Transporter { return &winrm.ClientNTLM{} }
	libraryRuns(t, endpoint, params)
}

func TestLibrarySealedOverHTTP(t *testing.T) {
	s := startServer(t, func(o *Options) { o.PlainHTTP = true })
	host, port := hostPort(t, s)
	params := winrm.NewParameters("PT1S", "en-US", 153600)
	params.TransportDecorator = func() winrm.Transporter {
		e, err := winrm.NewEncryption("ntlm")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	libraryRuns(t, winrm.NewEndpoint(host, port, false, false, nil, nil, nil, 0), params)
}

// libraryRuns a program that the double does not have: the library cannot send
// standard input reliably, but output and exit code come through.
func libraryRuns(t *testing.T, endpoint *winrm.Endpoint, params *winrm.Parameters) {
	t.Helper()
	c, err := winrm.NewClientWithParameters(endpoint, "alice", alicePassword, params)
	if err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	exit, err := c.RunWithContext(t.Context(), "hostname", &out, &stderr)
	if err != nil || exit != 1 || !strings.Contains(stderr.String(), "'hostname' is not recognized") {
		t.Errorf("exit %d, err %v, stderr %q", exit, err, stderr.String())
	}
}

func hostPort(t testing.TB, s *Server) (string, int) {
	t.Helper()
	host, p, _ := strings.Cut(s.Addr(), ":")
	port, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

func TestPlainMessageOverHTTPIsRefused(t *testing.T) {
	s := startServer(t, func(o *Options) { o.PlainHTTP = true })
	c := newClient(t, s, alice)
	status, body, err := c.post(winrm.NewOpenShellRequest(c.url, c.params).String())
	if err != nil || status != 500 || body != "" {
		t.Errorf("status %d, err %v, body %q", status, err, body)
	}
}

// bodgit's client ties its answer to the TLS channel, with a MIC and a key exchange.
func TestChannelBinding(t *testing.T) {
	s := startServer(t, nil)
	login := func() int {
		nc, err := bodgit.NewClient(bodgit.SetUserInfo("alice", alicePassword), bodgit.SetDomain("ETU"), bodgit.SetVersion(bodgit.DefaultVersion()))
		if err != nil {
			t.Fatal(err)
		}
		tlsConfig := newClient(t, s, alice).tls
		transport := &http.Transport{TLSClientConfig: tlsConfig}
		defer transport.CloseIdleConnections()
		hc, err := bodgithttp.NewClient(&http.Client{Transport: transport}, nc, bodgithttp.SendCBT(true))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := hc.Post(s.URL(), soapType, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := login(); got != 200 {
		t.Errorf("the right channel: status %d", got)
	}
	s.auth.bindings = channelBindings([]byte("another certificate"))
	if got := login(); got != 401 {
		t.Errorf("another channel: status %d", got)
	}
}

// handshakeWith plays a whole login in memory with bodgit's client.
func handshakeWith(t testing.TB, edit func(authenticate []byte)) (*sealer, *bodgit.SecuritySession, error) {
	t.Helper()
	c := &acceptorConfig{users: map[string]*User{"alice": &alice}, netBIOS: "ETU", dnsDomain: "etu.isima.fr", computer: "dc1"}
	nc, err := bodgit.NewClient(bodgit.SetUserInfo("alice", alicePassword), bodgit.SetDomain("ETU"), bodgit.SetVersion(bodgit.DefaultVersion()))
	if err != nil {
		t.Fatal(err)
	}
	first, err := nc.Authenticate(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := c.start(first)
	if err != nil {
		t.Fatal(err)
	}
	third, err := nc.Authenticate(h.message, nil)
	if err != nil {
		t.Fatal(err)
	}
	edit(third)
	_, seal, err := c.finish(h, third)
	return seal, nc.SecuritySession(), err
}

func TestAcceptorRefusesEditedMessages(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func([]byte)
		want error
	}{
		{"untouched", func([]byte) {}, nil},
		{"flags", func(b []byte) { b[60] ^= flagSign }, errLogin},                                         // only the MIC sees it
		{"workstation", func(b []byte) { binary.LittleEndian.PutUint16(b[44:], 0); b[46] = 1 }, errLogin}, // likewise
		{"mic", func(b []byte) { b[micOffset] ^= 1 }, errLogin},
		{"session key", func(b []byte) { b[len(b)-1] ^= 1 }, errLogin},
		{"proof", func(b []byte) { b[binary.LittleEndian.Uint32(b[24:])] ^= 1 }, errLogin},
		{"offset", func(b []byte) { binary.LittleEndian.PutUint32(b[24:], 1<<31) }, errNTLM},
		{"type", func(b []byte) { b[8] = 1 }, errNTLM},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := handshakeWith(t, test.edit); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestSealing(t *testing.T) {
	ours, theirs, err := handshakeWith(t, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "", strings.Repeat("two", 5000)} {
		sealed, signature, err := theirs.Wrap([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b := append([]byte{16, 0, 0, 0}, append(signature, sealed...)...)
		if got, err := ours.unseal(b); err != nil || string(got) != text {
			t.Fatalf("unsealed %.20q, err %v", got, err)
		}
		b = ours.seal([]byte(text))
		if got, err := theirs.Unwrap(b[20:], b[4:20]); err != nil || string(got) != text {
			t.Fatalf("they unsealed %.20q, err %v", got, err)
		}
	}
	sealed, signature, err := theirs.Wrap([]byte("three"))
	if err != nil {
		t.Fatal(err)
	}
	sealed[0] ^= 1
	if _, err := ours.unseal(append([]byte{16, 0, 0, 0}, append(signature, sealed...)...)); !errors.Is(err, errSealed) {
		t.Errorf("a changed message: %v", err)
	}
}

// The session base key of MS-NLMP 4.2.4: user "User", domain "Domain",
// password "Password".
func TestKeyOfTheSpecification(t *testing.T) {
	key := hmacMD5(hashMD4(toUTF16("Password")), toUTF16("USER"+"Domain"))
	if want := "DIaKQDv9epOjAB7yLvAuPw=="; base64.StdEncoding.EncodeToString(key) != want {
		t.Errorf("NTOWFv2 is %x", key)
	}
}

// Debian's python3-winrm is an independent client: its own SOAP, its own NTLM.
func TestPython(t *testing.T) {
	python, err := findPython(t.Context())
	if err != nil {
		t.Skip("wants Debian's python3-winrm: ", err)
	}
	dir := t.TempDir()
	openssl := filepath.Join(dir, "openssl.cnf") // NTLM wants MD4, which OpenSSL keeps among the legacy algorithms
	writeFile(t, openssl, "openssl_conf = a\n[a]\nproviders = b\n[b]\ndefault = c\nlegacy = c\n[c]\nactivate = 1\n")
	input := filepath.Join(dir, "input")
	writeFile(t, input, string(frame(testList, `{"zones":["etu.isima.fr"],"dhcp":false,"scopes":[]}`)))
	ca := filepath.Join(dir, "ca.pem")
	for _, plain := range []bool{false, true} {
		t.Run("plain="+strconv.FormatBool(plain), func(t *testing.T) {
			s := startServer(t, func(o *Options) { o.PlainHTTP = plain })
			writeFile(t, ca, string(s.CACert()))
			cmd := exec.CommandContext(t.Context(), python, "testdata/client.py", s.URL(), ca, `ETU\alice`, alicePassword, testLine, input)
			cmd.Env = append(os.Environ(), "OPENSSL_CONF="+openssl, "no_proxy=*")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderrOf(err))
			}
			sections, err := parseOutput(string(out))
			if err != nil || len(sections) != 2 || sections[0].Part != "zone" {
				t.Errorf("err %v, sections %+v", err, sections)
			}
			if n := s.Commands().Verbs["list"]; n != 1 {
				t.Errorf("%d lists ran", n)
			}
		})
	}
}

// findPython looks for an interpreter that has the package: Debian's is seldom
// the first on a developer's PATH.
func findPython(ctx context.Context) (string, error) {
	var err error
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if err = exec.CommandContext(ctx, name, "-c", "import winrm, requests_ntlm").Run(); err == nil {
			return name, nil
		}
	}
	return "", err
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func stderrOf(err error) []byte {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}
