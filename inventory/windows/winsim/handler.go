package winsim

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
)

// connection is what the server knows of one TCP connection: NTLM logs in
// connections, not requests. A connection serves one request at a time, so
// nothing guards it.
type connection struct {
	handshake *handshake
	user      *User
	sealer    *sealer
}

type connectionKey struct{}

func withConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{})
}

// maxBody lets any message that is not absurd arrive, so that a message that
// is too large gets its fault.
const maxBody = 4 << 20

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.tally.request()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case r.URL.Path != "/wsman":
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	conn, _ := r.Context().Value(connectionKey{}).(*connection)
	if !s.login(conn, w, r, len(body)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if len(body) == 0 {
		w.WriteHeader(http.StatusOK) // a client that only logs in, to seal afterwards
		return
	}
	s.serveMessage(conn, w, r, body)
}

// login answers for one request: it lets the connection's user through, or
// moves the handshake on and sets what the 401 must say. length is the body's:
// where sealing is a must, an empty message on a connection that is logged in
// asks for a new login; the library sends one before each message. (?)
func (s *Server) login(conn *connection, w http.ResponseWriter, r *http.Request, length int) bool {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case scheme == "" && conn.user != nil && (length > 0 || !s.opts.PlainHTTP):
		return true
	case scheme == "Negotiate" || scheme == "NTLM":
		if token, err := base64.StdEncoding.DecodeString(value); err == nil && s.negotiate(conn, w, scheme, token) {
			return true
		}
	case scheme == "Basic" && s.opts.AllowBasic && !s.opts.PlainHTTP:
		if user := s.basicUser(r); user != nil {
			conn.user = user
			return true
		}
	}
	if w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Add("WWW-Authenticate", "Negotiate")
		if s.opts.AllowBasic && !s.opts.PlainHTTP {
			w.Header().Add("WWW-Authenticate", `Basic realm="WSMAN"`)
		}
	}
	return false
}

func (s *Server) basicUser(r *http.Request) *User {
	name, password, _ := r.BasicAuth()
	if u := s.auth.users[strings.ToLower(name)]; u != nil && u.Password == password {
		return u
	}
	return nil
}

// negotiate takes one NTLM message. It reports whether it completed a login.
func (s *Server) negotiate(conn *connection, w http.ResponseWriter, scheme string, token []byte) bool {
	pending := conn.handshake
	*conn = connection{}
	if ntlmType(token) == 1 {
		h, err := s.auth.start(token)
		if err != nil {
			s.log.Info("login refused", "server", s.opts.Name, "error", err)
			return false
		}
		conn.handshake = h
		w.Header().Set("WWW-Authenticate", scheme+" "+base64.StdEncoding.EncodeToString(h.message))
		return false
	}
	if pending == nil {
		s.log.Info("login refused", "server", s.opts.Name, "error", "no challenge was sent on this connection")
		return false
	}
	user, sealer, err := s.auth.finish(pending, token)
	if err != nil {
		s.log.Info("login refused", "server", s.opts.Name, "error", err)
		return false
	}
	conn.user, conn.sealer = user, sealer
	return true
}

// serveMessage unseals, answers and seals. Over plain HTTP a message that is
// not sealed is refused, as with AllowUnencrypted=false.
func (s *Server) serveMessage(conn *connection, w http.ResponseWriter, r *http.Request, body []byte) {
	sealed := strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/encrypted")
	switch {
	case sealed && conn.sealer == nil, !sealed && s.opts.PlainHTTP:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case sealed:
		inner, length, err := decodeSealed(body)
		if err == nil {
			inner, err = conn.sealer.unseal(inner)
		}
		if err != nil || len(inner) != length {
			s.log.Info("message refused", "server", s.opts.Name, "error", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = inner
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/soap+xml"):
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	status, answer := s.answer(r.Context(), conn.user, body)
	w.Header().Set("Content-Type", soapType)
	if sealed && len(answer) > 0 {
		w.Header().Set("Content-Type", sealedType)
		answer = encodeSealed(conn.sealer.seal(answer), len(answer))
	}
	w.WriteHeader(status)
	w.Write(answer) // a client that is gone has no use for an error
}
