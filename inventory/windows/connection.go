package windows

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/go-ntlmssp"
)

const (
	maxReply = 16 << 20 // bytes of one HTTP reply
	soapType = "application/soap+xml;charset=UTF-8"
)

// connection carries one message to a server. NTLM logs in a connection, not a
// request, so both halves of the handshake and the message must go over the
// same one. A pool such as net/http's does not promise that: on a busy machine
// it now and then gave the last step another connection, and the server
// refused it. So this is a connection of our own, read and written in turn.
type connection struct {
	conn    net.Conn
	reader  *bufio.Reader
	url     string
	timeout time.Duration // for one request and its reply
	ctx     context.Context
	stop    func() bool // ends the watch on the context
}

// connect opens a connection with the server's certificate verified. Sessions
// are resumed, so that one for each message costs little.
func (h *host) connect(ctx context.Context) (*connection, error) {
	dialing, cancel := context.WithTimeout(ctx, h.cfg.Timeouts.Connect)
	defer cancel()
	raw, err := h.cfg.Dial(dialing, "tcp", h.address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, h.tls)
	if err := conn.HandshakeContext(dialing); err != nil {
		raw.Close()
		return nil, err
	}
	return &connection{
		conn: conn, reader: bufio.NewReader(conn), url: h.url(),
		timeout: 2 * h.cfg.Timeouts.Operation, ctx: ctx,
		stop: context.AfterFunc(ctx, func() { raw.Close() }),
	}, nil
}

func (c *connection) close() {
	c.stop()
	c.conn.Close()
}

// reply is a reply whose body was read.
type reply struct {
	status int
	header http.Header
	body   string
}

// post sends a message and reads the reply.
func (c *connection) post(authorization, message string) (reply, error) {
	r, err := c.exchange(authorization, message)
	if err != nil && c.ctx.Err() != nil {
		err = c.ctx.Err() // rather than that the connection was closed, which is how it stops
	}
	return r, err
}

func (c *connection) exchange(authorization, message string) (reply, error) {
	req, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(message))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", soapType)
	req.Header.Set("Authorization", authorization)
	req.Header.Set("User-Agent", "provost")
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return reply{}, err
	}
	if err := req.Write(c.conn); err != nil {
		return reply{}, fmt.Errorf("cannot send: %w", err)
	}
	resp, err := http.ReadResponse(c.reader, req)
	if err != nil {
		return reply{}, fmt.Errorf("cannot read the answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return reply{}, fmt.Errorf("cannot read the answer: %w", err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(body)}, nil
}

// login gives the Authorization of the message that follows. Basic is never
// used, whatever the server offers: no password leaves this machine.
func (h *host) login(c *connection) (authorization string, err error) {
	if h.cfg.Auth == authKerberos {
		return h.kerberos.authorization()
	}
	password, err := readSecret(h.cfg.PasswordFile)
	if err != nil {
		return "", err
	}
	negotiate, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		return "", err
	}
	// An empty message asks for the challenge, so that ours is sent only once.
	asked, err := c.post(negotiateScheme+base64.StdEncoding.EncodeToString(negotiate), "")
	if err != nil {
		return "", err
	}
	challenge, err := findChallenge(asked)
	if err != nil {
		return "", err
	}
	proof, err := ntlmssp.NewAuthenticateMessage(challenge, h.cfg.User, password, nil)
	if err != nil {
		return "", fmt.Errorf("cannot answer the challenge: %w", err)
	}
	return negotiateScheme + base64.StdEncoding.EncodeToString(proof), nil
}

const negotiateScheme = "Negotiate "

func findChallenge(r reply) ([]byte, error) {
	if r.status != http.StatusUnauthorized {
		return nil, &httpError{status: r.status, body: r.body}
	}
	for _, offer := range r.header.Values("WWW-Authenticate") {
		if token, ok := strings.CutPrefix(offer, negotiateScheme); ok {
			return base64.StdEncoding.DecodeString(strings.TrimSpace(token))
		}
	}
	return nil, errors.New("the server does not offer to negotiate")
}
