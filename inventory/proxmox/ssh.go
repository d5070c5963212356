package proxmox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshTimeout bounds the whole read, from dialling to the end of the stream.
const sshTimeout = 30 * time.Second

// sshReader reads all guest configurations through the forced command of one of
// several hosts. It dials for each read: once a pass that costs little, and no
// connection can be found dead.
type sshReader struct {
	hosts   []string
	user    string
	signer  ssh.Signer
	known   ssh.HostKeyCallback
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	current atomic.Int32
	kept    kept // what the last read gave
}

func newSSHReader(cfg SSHConfig, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (*sshReader, error) {
	key, err := os.ReadFile(cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read ssh.key_file: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot read ssh.key_file: %s holds no private key without a passphrase", cfg.KeyFile)
	}
	known, err := knownhosts.New(cfg.KnownHostsFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read ssh.known_hosts_file: %w", err)
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	return &sshReader{hosts: cfg.Hosts, user: cfg.User, signer: signer, known: known, dial: dial}, nil
}

// read asks the host that answered last, then the others.
func (s *sshReader) read(ctx context.Context) (clusterFiles, error) {
	ctx, cancel := context.WithTimeout(ctx, sshTimeout)
	defer cancel()
	var errs []error
	first := int(s.current.Load())
	for i := range s.hosts {
		n := (first + i) % len(s.hosts)
		files, err := s.readFrom(ctx, s.hosts[n])
		if err == nil {
			s.current.Store(int32(n))
			return files, nil
		}
		errs = append(errs, fmt.Errorf("cannot read the configurations from %s: %w", s.hosts[n], err))
	}
	return clusterFiles{}, errors.Join(errs...)
}

func (s *sshReader) readFrom(ctx context.Context, host string) (clusterFiles, error) {
	client, err := s.connect(ctx, host)
	if err != nil {
		return clusterFiles{}, err
	}
	defer client.Close()
	// Closing the connection ends whatever waits on it.
	defer context.AfterFunc(ctx, func() { client.Close() })()
	return s.kept.read(host, func(word string) (clusterFiles, error) { return runForced(client, word) })
}

// runForced runs the forced command. The word reaches it as SSH_ORIGINAL_COMMAND; the
// plain one takes no notice.
func runForced(client *ssh.Client, word string) (clusterFiles, error) {
	session, err := client.NewSession()
	if err != nil {
		return clusterFiles{}, err
	}
	defer session.Close()
	out, err := session.StdoutPipe()
	if err != nil {
		return clusterFiles{}, err
	}
	if err := session.Start(word); err != nil {
		return clusterFiles{}, err
	}
	files, err := readFiles(out)
	if err != nil {
		return clusterFiles{}, err
	}
	if _, err := io.Copy(io.Discard, out); err != nil { // tar's padding
		return clusterFiles{}, err
	}
	return files, tarEnded(session.Wait())
}

// tarEnded accepts tar's exit status 1, "some files differ": a configuration that
// changed or went away while it was read. Anything else may mean a stream that
// was cut at the border of a file, which looks like guests that are gone.
func tarEnded(err error) error {
	var exit *ssh.ExitError
	if errors.As(err, &exit) && exit.Signal() == "" && exit.ExitStatus() == 1 {
		return nil
	}
	return err
}

func (s *sshReader) connect(ctx context.Context, host string) (*ssh.Client, error) {
	conn, err := s.dial(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, host, &ssh.ClientConfig{
		User:              s.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(s.signer)},
		HostKeyCallback:   s.known,
		HostKeyAlgorithms: s.algorithms(host),
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// algorithms are the kinds of host key that known_hosts has for the host. Unless
// only these are offered, a server may show a key of another kind, which looks
// like a wrong one.
func (s *sshReader) algorithms(host string) []string {
	var unknown *knownhosts.KeyError
	err := s.known(host, &net.TCPAddr{IP: net.IPv4zero}, noKey{})
	if !errors.As(err, &unknown) {
		return nil
	}
	var algorithms []string
	for _, want := range unknown.Want {
		if t := want.Key.Type(); t == ssh.KeyAlgoRSA {
			algorithms = append(algorithms, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			algorithms = append(algorithms, t)
		}
	}
	return algorithms
}

// noKey is a host key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("cannot verify") }
