package pvesim

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// response is an answer before it is written. net/http's server cannot write a
// reason phrase, and the real server says its errors in it; so the few lines of
// HTTP that are needed stand here.
type response struct {
	status int
	reason string
	body   []byte
	json   bool
	drop   bool // close the connection instead of answering
}

// serveHTTPS answers the requests of one connection, one after another.
func (c *Cluster) serveHTTPS(n *node, raw net.Conn) {
	conn := tls.Server(raw, c.tls)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		return
	}
	reader := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if req.Header.Get("Expect") == "100-continue" {
			fmt.Fprint(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		if err != nil {
			return
		}
		resp := c.answer(n, req, body)
		if resp.drop || !resp.write(conn) || req.Close {
			return
		}
	}
}

func (r response) write(w io.Writer) bool {
	reason := strings.NewReplacer("\r", "", "\n", " ").Replace(strings.TrimSpace(r.reason))
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nServer: pve-api-daemon/3.0\r\nContent-Length: %d\r\n", r.status, reason, len(r.body))
	if r.json {
		b.WriteString("Content-Type: application/json;charset=UTF-8\r\n")
	}
	b.WriteString("\r\n")
	_, err := w.Write(append([]byte(b.String()), r.body...))
	return err == nil
}

// result is what a handler returns when the answer carries more than data.
type result struct {
	Data  any `json:"data"`
	Total int `json:"total"`
}

func success(data any) response {
	if r, ok := data.(result); ok {
		return jsonResponse(200, "OK", r)
	}
	return jsonResponse(200, "OK", map[string]any{"data": data})
}

func failure(err error) response {
	e, ok := err.(*apiError)
	if !ok {
		e = &apiError{status: 500, reason: err.Error()}
	}
	if e.plain {
		return response{status: e.status, reason: e.reason, body: []byte(e.reason)}
	}
	if e.silent {
		return response{status: e.status, reason: e.reason}
	}
	message := e.reason
	if !e.bare {
		message += "\n"
	}
	body := map[string]any{"data": nil, "message": message}
	if e.errors != nil {
		body["errors"] = e.errors
	}
	return jsonResponse(e.status, e.reason, body)
}

func jsonResponse(status int, reason string, body any) response {
	b, err := json.Marshal(body)
	if err != nil {
		return response{status: 500, reason: err.Error()}
	}
	return response{status: status, reason: reason, body: b, json: true}
}

// apiError is a refusal with the status and the text of the real server.
type apiError struct {
	status int
	reason string
	errors map[string]string // of a 400, by parameter
	bare   bool              // the body's message has no final newline
	silent bool              // there is no body
	plain  bool              // the body is the reason
}

func (e *apiError) Error() string { return e.reason }

// die is Perl's: a 500 with that text.
func die(format string, args ...any) error {
	return &apiError{status: 500, reason: fmt.Sprintf(format, args...)}
}

// badParam is a 400 about one parameter.
func badParam(name, text string) error { return badParams(map[string]string{name: text}) }

func badParams(errors map[string]string) error {
	return &apiError{status: 400, reason: "Parameter verification failed.", errors: errors}
}

func forbidden(detail string) error {
	if detail != "" {
		detail = " (" + detail + ")"
	}
	return &apiError{status: 403, reason: "Permission check failed" + detail}
}
