package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The secrets of the pages are planted for every story, in $SECRETS beside the
// others; those of the pages switch them on.
const (
	pagesToken = "pages-token"
	pagesCert  = "pages-ca.pem" // it vouches for itself
	pagesKey   = "pages-key.pem"
)

func plantPages(ts *testscript.TestScript, secrets string) {
	ts.Setenv("SECRETS", secrets)
	ts.Check(os.WriteFile(filepath.Join(secrets, pagesToken), []byte("canary-of-the-pages-7c41e0\n"), 0o600))
	ts.Check(writeCertificate(secrets))
}

// certifyWord renews the certificate of the pages.
func certifyWord(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(writeCertificate(ts.Getenv("SECRETS")))
}

func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "pages"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, pagesKey), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, pagesCert), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600)
}

// pageWord asks for a page and looks at its answer: page PATH CODE [REGEXP]
// [from=ADDRESS] [HEADER=VALUE…]. The answer must carry what keeps a browser from
// doing more than show it; "! page" is one that comes from before provost, and has
// nothing of the kind. In a value, @NAME is what stands in $SECRETS/NAME.
func pageWord(ts *testscript.TestScript, neg bool, args []string) {
	address, code, want := args[0], atoi(ts, args[1]), ""
	if strings.HasPrefix(address, "/") {
		address = ts.Getenv("PAGES") + address
	}
	request, err := http.NewRequest(http.MethodGet, address, nil)
	ts.Check(err)
	from := ""
	for _, arg := range args[2:] {
		name, value, isHeader := strings.Cut(arg, "=")
		switch {
		case name == "from" && isHeader:
			from = value
		case isHeader && headerName.MatchString(name):
			request.Header.Set(name, withSecret(ts, value))
		default:
			want = arg
		}
	}
	headers := ask(ts, request, from, code, want)
	if bare := missing(headers); (bare == "") == neg {
		ts.Fatalf("%s: no %q in the headers %v", request.URL, bare, headers)
	}
}

// missing is a header that every page carries and that is not there.
func missing(headers http.Header) string {
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cache-Control"} {
		if headers.Get(name) == "" {
			return name
		}
	}
	return ""
}

// loginWord fills in the form of /login: login TOKEN CODE. Whoever is let in stays
// so; "! login" forgets it.
func loginWord(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		on(ts).cookies = nil
		return
	}
	form := url.Values{"token": {withSecret(ts, args[0])}, "next": {"/drift"}}
	request, err := http.NewRequest(http.MethodPost, ts.Getenv("PAGES")+"/login", strings.NewReader(form.Encode()))
	ts.Check(err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ask(ts, request, "", atoi(ts, args[1]), "")
}

var headerName = regexp.MustCompile(`^[A-Z][A-Za-z-]+$`)

func withSecret(ts *testscript.TestScript, value string) string {
	before, name, found := strings.Cut(value, "@")
	if !found {
		return value
	}
	return before + strings.TrimSpace(ts.ReadFile(filepath.Join(ts.Getenv("SECRETS"), name)))
}

// ask sends a request as a browser would, and wants an answer of this code that
// holds a text.
func ask(ts *testscript.TestScript, request *http.Request, from string, code int, want string) http.Header {
	s := on(ts)
	if s.cookies == nil {
		s.cookies, _ = cookiejar.New(nil) // it fails never
	}
	client := browser(ts, from)
	client.Jar = s.cookies
	answer, err := client.Do(request)
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	var all bytes.Buffer
	answer.Header.Write(&all) //nolint:errcheck // into memory
	all.Write(body)
	overhear(ts, all.String())
	if answer.StatusCode != code || !regexp.MustCompile(want).Match(all.Bytes()) {
		ts.Fatalf("%s: %s, want %d %s\n%s", request.URL, answer.Status, code, want, all.String())
	}
	return answer.Header
}

// browser trusts the certificate of the pages as it stands, and follows nothing.
func browser(ts *testscript.TestScript, from string) *http.Client {
	roots := x509.NewCertPool()
	if cert, err := os.ReadFile(filepath.Join(ts.Getenv("SECRETS"), pagesCert)); err == nil {
		roots.AppendCertsFromPEM(cert)
	}
	dialer := &net.Dialer{}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
