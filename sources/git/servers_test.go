package git

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

const token = "glpat-s3cret"

// https serves the repository as a forge does, by git http-backend behind TLS
// and a token.
func (c *campus) https() Config {
	c.t.Helper()
	backend := filepath.Join(run(c.t, c.work, nil, "git", "--exec-path"), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		c.t.Skip("wants git-http-backend of the Debian package git")
	}
	git := &cgi.Handler{Path: backend, Env: append(gitEnv(),
		"GIT_PROJECT_ROOT="+filepath.Dir(c.bare), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=provost")}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "oauth2" || password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		git.ServeHTTP(w, r)
	}))
	c.t.Cleanup(srv.Close)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	return Config{
		URL:       srv.URL + "/campus.git",
		TokenFile: c.file("token", []byte(token+"\n")),
		CAFile:    c.file("ca.pem", cert),
	}
}

// file writes a file beside the repository.
func (c *campus) file(name string, data []byte) string {
	c.t.Helper()
	full := filepath.Join(c.t.TempDir(), name)
	c.must(os.WriteFile(full, data, 0o600))
	return full
}

// ssh serves the repository as sshd with git-shell does. Of its two host keys,
// known_hosts has only the one that a client does not ask for first.
func (c *campus) ssh() Config {
	c.t.Helper()
	_, hostEd, err := ed25519.GenerateKey(rand.Reader)
	c.must(err)
	hostEC, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	_, client, err := ed25519.GenerateKey(rand.Reader)
	c.must(err)
	clientSigner, err := ssh.NewSignerFromKey(client)
	c.must(err)

	server := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(clientSigner.PublicKey().Marshal()) {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	for _, key := range []any{hostEC, hostEd} {
		signer, err := ssh.NewSignerFromKey(key)
		c.must(err)
		server.AddHostKey(signer)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	c.t.Cleanup(func() { listener.Close() })
	go serveSSH(listener, server)

	block, err := ssh.MarshalPrivateKey(client, "")
	c.must(err)
	known, err := ssh.NewPublicKey(hostEd.Public())
	c.must(err)
	return Config{
		URL:            "ssh://git@" + listener.Addr().String() + c.bare,
		SSHKeyFile:     c.file("id", pem.EncodeToMemory(block)),
		KnownHostsFile: c.file("known_hosts", []byte(knownhosts.Line([]string{listener.Addr().String()}, known)+"\n")),
	}
}

func serveSSH(listener net.Listener, config *ssh.ServerConfig) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, channels, requests, err := ssh.NewServerConn(conn, config)
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			for ch := range channels {
				channel, requests, err := ch.Accept()
				if err != nil {
					return
				}
				go serveGit(channel, requests)
			}
		}()
	}
}

// serveGit runs the one command that a git client asks for.
func serveGit(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for req := range requests {
		if req.Type != "exec" {
			_ = req.Reply(false, nil)
			continue
		}
		var ask struct{ Command string }
		if ssh.Unmarshal(req.Payload, &ask) != nil {
			return
		}
		service, path, _ := strings.Cut(ask.Command, " ")
		_ = req.Reply(true, nil)
		cmd := exec.Command("git", strings.TrimPrefix(service, "git-"), strings.Trim(path, "'"))
		cmd.Env = gitEnv()
		cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
		stdin, err := cmd.StdinPipe()
		if err != nil || cmd.Start() != nil {
			return
		}
		go func() { _, _ = io.Copy(stdin, channel); stdin.Close() }()
		var status struct{ Code uint32 }
		if cmd.Wait() != nil {
			status.Code = 128
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(&status))
		return
	}
}

// silent accepts connections and says nothing, until clients give up.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn); conn.Close() }()
		}
	}()
	return listener.Addr().String()
}

// everyWay runs a test against the repository read in each way there is.
func everyWay(t *testing.T, f func(t *testing.T, c *campus, cfg Config)) {
	ways := []struct {
		name   string
		config func(*campus) Config
	}{
		{"path", func(c *campus) Config { return Config{URL: c.bare} }},
		{"https", (*campus).https},
		{"ssh", (*campus).ssh},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			c := newCampus(t)
			f(t, c, way.config(c))
		})
	}
}
