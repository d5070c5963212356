package windows

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"
)

const (
	farewell    = 3 * time.Second // for a message that tidies up after a stop
	consoleOn   = `"WINRS_CONSOLEMODE_STDIN">TRUE<`
	consoleOff  = `"WINRS_CONSOLEMODE_STDIN">FALSE<`
	actionEnd   = "/windows/shell/Signal<"
	actionClose = "/transfer/Delete<"
)

// transport carries the library's messages for one command. The library's own
// transports cannot: they return an HTTP 500 as success, race when sending and
// receiving overlap, post in clear when a login fails, ignore the context, and
// honour proxies. So here every message has a connection of its own (see
// connection.go), and every status but 200 is an error that holds the reason,
// which the library needs to see that an idle Receive only timed out.
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
	message = withPipe(message)
	if strings.Contains(message, actionEnd) || strings.Contains(message, actionClose) {
		// What tidies up is sent even after a stop, but not for long.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
	}
	c, err := h.connect(ctx)
	if err != nil {
		return "", err
	}
	defer c.close()
	authorization, err := h.login(c)
	if err != nil {
		return "", fmt.Errorf("cannot log in: %w", err)
	}
	reply, err := c.post(authorization, message)
	if err != nil {
		return "", err
	}
	if reply.status != http.StatusOK {
		return "", &httpError{status: reply.status, body: reply.body}
	}
	return reply.body, nil
}

// withPipe makes a command's standard input a pipe; the library wants a
// console, with line editing and an end of file that is a key.
func withPipe(message string) string { return strings.Replace(message, consoleOn, consoleOff, 1) }

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
