package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// errLogin says that the SSH server does not take our key.
var errLogin = errors.New("the server does not accept the login")

// sshServer is a git server behind SSH. A connection is dialled here and not by
// go-git, which would wait for a silent server for ever.
type sshServer struct {
	address    string
	path       string
	user       string
	keyFile    string
	knownHosts string
}

func newSSH(cfg Config, ep *transport.Endpoint) (*sshServer, error) {
	port := ep.Port
	if port == 0 {
		port = 22
	}
	s := &sshServer{
		address:    net.JoinHostPort(strings.Trim(ep.Host, "[]"), strconv.Itoa(port)),
		path:       ep.Path,
		user:       cfg.User,
		keyFile:    cfg.SSHKeyFile,
		knownHosts: cfg.KnownHostsFile,
	}
	if s.user == "" {
		s.user = ep.User
	}
	if s.user == "" {
		s.user = "git"
	}
	_, err := s.config() // what is wrong with the files is said at the start
	return s, err
}

// config reads key and host keys anew, so that renewed ones are used at once.
func (s *sshServer) config() (*ssh.ClientConfig, error) {
	pem, err := os.ReadFile(s.keyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read ssh_key_file: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, errors.New("cannot read ssh_key_file: want a private key without passphrase")
	}
	hosts, err := knownhosts.NewDB(s.knownHosts)
	if err != nil {
		return nil, fmt.Errorf("cannot read known_hosts_file: %w", err)
	}
	return &ssh.ClientConfig{
		User:            s.user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: hosts.HostKeyCallback(),
		// Ask for the kinds of key that are on file: a server has several, and
		// shows another one otherwise.
		HostKeyAlgorithms: hosts.HostKeyAlgorithms(s.address),
	}, nil
}

func (s *sshServer) uploadPack(ctx context.Context) (transport.UploadPackSession, error) {
	return s.run(ctx, transport.UploadPackServiceName)
}

func (s *sshServer) receivePack(ctx context.Context) (transport.ReceivePackSession, error) {
	return s.run(ctx, transport.ReceivePackServiceName)
}

// run logs in and starts a service. The connection closes when ctx ends,
// whatever the server does.
func (s *sshServer) run(ctx context.Context, service string) (*sshSession, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	out, err := s.start(conn, config, service)
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	out.release = func() error { stop(); return conn.Close() }
	return out, nil
}

func (s *sshServer) start(conn net.Conn, config *ssh.ClientConfig, service string) (*sshSession, error) {
	c, channels, requests, err := ssh.NewClientConn(conn, s.address, config)
	if err != nil {
		if strings.Contains(err.Error(), "unable to authenticate") {
			err = fmt.Errorf("%w (%v)", errLogin, err)
		}
		return nil, err
	}
	session, err := ssh.NewClient(c, channels, requests).NewSession()
	if err != nil {
		return nil, err
	}
	out := &sshSession{receiving: service == transport.ReceivePackServiceName}
	if out.stdin, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	if out.stdout, err = session.StdoutPipe(); err != nil {
		return nil, err
	}
	session.Stderr = &out.stderr
	out.ended = func() { _ = session.Wait() } // how it ended is told by what it said
	return out, session.Start(service + " " + quote(s.path))
}

// quote makes one word of a shell out of a path.
func quote(path string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
}
