package git

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

func TestWrongToken(t *testing.T) {
	c := newCampus(t)
	c.push("first", map[string]string{"a": "1"})
	cfg := c.https()
	c.must(os.WriteFile(cfg.TokenFile, []byte("glpat-wrong"), 0o600))
	r := open(t, cfg)
	_, err := r.Latest(t.Context())
	wantError(t, err, "does not accept the login", "token_file")
	if strings.Contains(err.Error(), "glpat") {
		t.Errorf("the error shows the token: %v", err)
	}
	// A renewed token is used without a restart.
	c.must(os.WriteFile(cfg.TokenFile, []byte(token), 0o600))
	latest(t, r)
}

func TestUntrustedCertificate(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	cfg.CAFile = ""
	_, err := open(t, cfg).Latest(t.Context())
	wantError(t, err, "certificate is not trusted", "ca_file")
}

func TestNoSuchRepository(t *testing.T) {
	c := newCampus(t)
	for _, cfg := range []Config{c.https(), c.ssh()} {
		cfg.URL = strings.Replace(cfg.URL, "campus.git", "nowhere.git", 1)
		_, err := open(t, cfg).Latest(t.Context())
		wantError(t, err, "no such repository", "url")
	}
	_, err := open(t, Config{URL: t.TempDir()}).Latest(t.Context())
	wantError(t, err, "no git repository", "git init")
}

// What a server says of a repository that is not there counts, though it be heard
// after the end of what it answers.
func TestHeardLate(t *testing.T) {
	s := &sshSession{stdout: strings.NewReader("")}
	s.ended = func() { _, _ = s.stderr.Write([]byte("fatal: '/nowhere' does not appear to be a git repository\n")) }
	if _, err := s.AdvertisedReferences(); !errors.Is(err, transport.ErrRepositoryNotFound) {
		t.Errorf("error is %v", err)
	}
}

// A proxy's web page in the place of an answer is not printed in full.
func TestLongAnswersAreCut(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, strings.Repeat("<p>sorry</p>\n", 1000), http.StatusForbidden)
	}))
	t.Cleanup(srv.Close)
	_, err := open(t, Config{URL: srv.URL + "/campus.git"}).Latest(t.Context())
	wantError(t, err, "lacks the right", "sorry")
	if len(err.Error()) > 600 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error of %d bytes: %v", len(err.Error()), err)
	}
}

func TestHostKeys(t *testing.T) {
	c := newCampus(t)
	c.push("first", map[string]string{"a": "1"})
	cfg := c.ssh()
	latest(t, open(t, cfg))

	public, _, err := ed25519.GenerateKey(rand.Reader)
	c.must(err)
	other, err := ssh.NewPublicKey(public)
	c.must(err)
	host, _, _ := strings.Cut(strings.TrimPrefix(cfg.URL, "ssh://git@"), "/")

	cfg.KnownHostsFile = c.file("known_hosts", []byte(knownhosts.Line([]string{host}, other)+"\n"))
	_, err = open(t, cfg).Latest(t.Context())
	wantError(t, err, "shows another host key")

	cfg.KnownHostsFile = c.file("known_hosts", []byte(knownhosts.Line([]string{"elsewhere.example.org"}, other)+"\n"))
	_, err = open(t, cfg).Latest(t.Context())
	wantError(t, err, "not in known_hosts_file", "fingerprint")
}

func TestWrongSSHKey(t *testing.T) {
	c := newCampus(t)
	cfg := c.ssh()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	c.must(err)
	block, err := ssh.MarshalPrivateKey(key, "")
	c.must(err)
	cfg.SSHKeyFile = c.file("id", pem.EncodeToMemory(block))
	_, err = open(t, cfg).Latest(t.Context())
	wantError(t, err, "does not accept the login", "ssh_key_file")
}

func TestSilentServer(t *testing.T) {
	c := newCampus(t)
	configs := map[string]Config{"https": c.https(), "ssh": c.ssh()}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			cfg.Timeout = 100 * time.Millisecond
			cfg.URL = map[string]string{
				"https": "https://" + silent(t) + "/campus.git",
				"ssh":   "ssh://git@" + silent(t) + "/campus.git",
			}[name]
			_, err := open(t, cfg).Latest(t.Context())
			wantError(t, err, "did not answer in 100ms", "next poll")
		})
	}
}

func TestConfigurationsRefused(t *testing.T) {
	key := Config{SSHKeyFile: "/nowhere", KnownHostsFile: "/nowhere"}
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no url", Config{}, "url is missing"},
		{"password in url", Config{URL: "https://oauth2:hunter2@git.example.org/campus.git"}, "token_file"},
		{"token in clear", Config{URL: "http://git.example.org/campus.git", TokenFile: "/token"}, "https://"},
		{"git protocol", Config{URL: "git://git.example.org/campus.git"}, "does not prove who answers"},
		{"ssh without host keys", Config{URL: "git@git.example.org:campus.git", SSHKeyFile: "/id"}, "known_hosts_file"},
		{"ssh without a key", Config{URL: "ssh://git.example.org/campus.git", SSHKeyFile: key.SSHKeyFile, KnownHostsFile: key.KnownHostsFile}, "ssh_key_file"},
		{"branch", Config{URL: "/campus.git", Branch: "a..b"}, "branch"},
		{"certificates", Config{URL: "https://git.example.org/campus.git", CAFile: "/nowhere"}, "ca_file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.cfg, t.TempDir(), nil)
			wantError(t, err, "cannot use the git repository", test.want)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	if _, err := New(Config{URL: "http://127.0.0.1:3000/campus.git", TokenFile: "/token"}, t.TempDir(), nil); err != nil {
		t.Errorf("a token over http:// to this machine is refused: %v", err)
	}
}
