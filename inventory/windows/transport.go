package windows

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/go-ntlmssp"
	"github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"
)

const (
	maxReply    = 16 << 20        // bytes of one HTTP reply
	farewell    = 3 * time.Second // for a message that tidies up after a stop
	soapType    = "application/soap+xml;charset=UTF-8"
	consoleOn   = `"WINRS_CONSOLEMODE_STDIN">TRUE<`
	consoleOff  = `"WINRS_CONSOLEMODE_STDIN">FALSE<`
	actionEnd   = "/windows/shell/Signal<"
	actionClose = "/transfer/Delete<"
)

// transport carries the library's messages for one command. The library's own
// transports cannot: they return an HTTP 500 as success, race when sending and
// receiving overlap, post in clear when a login fails, ignore the context, and
// honour proxies. So here every message has a connection of its own, which is
// the only way in which NTLM, a login of a connection, is safe when messages
// overlap; and every status but 200 is an error that holds the reason, which
// the library needs to see that an idle Receive only timed out.
type transport struct {
	ctx  context.Context // of the command: the library's interface has no room for one
	host *host
}

// Transport is the library's set-up hook; there is nothing to set up.
func (t *transport) Transport(*winrm.Endpoint) error { return nil }

// Post sends one message and returns the reply.
func (t *transport) Post(_ *winrm.Client, message *soap.SoapMessage) (string, error) {
	return t.host.post(t.ctx, message.String())
}

func (h *host) post(ctx context.Context, message string) (string, error) {
	// Standard input is a pipe to us, not a console with line editing.
	message = strings.Replace(message, consoleOn, consoleOff, 1)
	if strings.Contains(message, actionEnd) || strings.Contains(message, actionClose) {
		// What tidies up is sent even after a stop, but not for long.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
	}
	connection := h.connection()
	defer connection.CloseIdleConnections()
	client := &http.Client{
		Transport:     connection,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url(), strings.NewReader(message))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", soapType)
	if err := h.login(client, req); err != nil {
		return "", fmt.Errorf("cannot log in: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if resp.StatusCode != http.StatusOK {
		return "", &httpError{status: resp.StatusCode, body: string(body)}
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the answer: %w", err)
	}
	return string(body), nil
}

// connection is a way to the server for one message. Sessions are resumed, so
// that a new one costs little. Proxies from the environment are ignored.
func (h *host) connection() *http.Transport {
	return &http.Transport{
		DialContext:           h.cfg.Dial,
		TLSClientConfig:       h.tls.Clone(),
		TLSHandshakeTimeout:   h.cfg.Timeouts.Connect,
		ResponseHeaderTimeout: 2 * h.cfg.Timeouts.Operation,
		MaxConnsPerHost:       1,
		// HTTP/1.1 only: NTLM cannot live in HTTP/2.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// login prepares a request to prove who we are. Basic is never offered.
func (h *host) login(client *http.Client, req *http.Request) error {
	if h.cfg.Auth == authKerberos {
		return h.kerberos.sign(req)
	}
	password, err := readSecret(h.cfg.PasswordFile)
	if err != nil {
		return err
	}
	client.Transport = ntlmssp.Negotiator{RoundTripper: client.Transport}
	req.SetBasicAuth(h.cfg.User, password) // how the negotiator is told; it never sends this
	return nil
}

// httpError is a reply that is not 200.
type httpError struct {
	status int
	body   string
}

// Error says "OperationTimeout" where the server only had nothing to tell: the
// library looks for that word, which not every server's language has.
func (e *httpError) Error() string {
	text, code := faultText(e.body)
	switch {
	case code == "2150858793" || strings.Contains(e.body, ":TimedOut<"):
		return "OperationTimeout: the server had nothing to tell"
	case e.status == http.StatusUnauthorized:
		return "the server refuses the login (HTTP 401)"
	case text == "":
		return fmt.Sprintf("the server answers HTTP %d", e.status)
	}
	return fmt.Sprintf("the server answers HTTP %d: %s", e.status, text)
}

// faultText is the reason that a SOAP fault gives for people, at most 300
// characters, and its WS-Management code.
func faultText(body string) (text, code string) {
	decoder := xml.NewDecoder(strings.NewReader(body))
	for {
		token, err := decoder.Token()
		if err != nil {
			return text, code
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "WSManFault":
			for _, a := range start.Attr {
				if a.Name.Local == "Code" {
					code = a.Value
				}
			}
		case "Text":
			var s string
			if text == "" && decoder.DecodeElement(&s, &start) == nil {
				text = diagnosis(s)
			}
		}
	}
}
