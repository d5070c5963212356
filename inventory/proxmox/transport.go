package proxmox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// transport sends a request to the endpoint that answered last and, where that
// cannot have done anything, to the next one when it fails.
//
// It also works round the client library: that hides the answer (the task's
// UPID after a DELETE, the reason phrase, the parameter errors), sleeps after a
// failed GET whatever the context says, and panics on an error body of an
// unexpected shape. So every answer is noted in the exchange that the caller put
// into the context, and the library only ever sees well-formed JSON.
type transport struct {
	base      http.RoundTripper
	login     *login
	endpoints []*url.URL
	current   atomic.Int32
}

// maxAnswer bounds an answer in memory; /cluster/resources takes about 500 bytes a guest.
const maxAnswer = 64 << 20

// statusNoAnswer is what the library is shown when nobody answered. PVE's own
// proxy says 595 to 599 for that.
const statusNoAnswer = 599

// exchange is one request's answer, as it came.
type exchange struct {
	status int
	reason string
	body   struct {
		Data    json.RawMessage   `json:"data"`
		Message string            `json:"message"`
		Errors  map[string]string `json:"errors"`
	}
	date time.Time // the answering node's clock; zero when it did not say
	sent bool      // the request may have arrived
	err  error     // why there is no answer
}

type exchangeKey struct{}

// RoundTrip implements http.RoundTripper. It never returns an error.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		x = &exchange{}
	}
	t.exchange(req, x)
	body := fmt.Appendf(nil, `{"data":null,"message":%q}`, "refused")
	if x.err == nil && x.status < 300 {
		body, _ = json.Marshal(map[string]json.RawMessage{"data": x.body.Data})
	}
	status := x.status
	if x.err != nil {
		status = statusNoAnswer
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode: status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}, nil
}

// exchange tries one endpoint after another.
func (t *transport) exchange(req *http.Request, x *exchange) {
	first := int(t.current.Load())
	for i := range t.endpoints {
		n := (first + i) % len(t.endpoints)
		*x = exchange{}
		x.err = t.try(req, t.endpoints[n], x)
		safe := req.Method == http.MethodGet || !x.sent
		switch {
		case x.err == nil && !(x.status >= 595 && safe):
			t.current.Store(int32(n))
			return
		case req.Context().Err() != nil || !safe:
			return
		}
	}
}

// try sends a request to one endpoint, and once more where the token was renewed
// since it was read: a login that is refused has done nothing.
func (t *transport) try(req *http.Request, endpoint *url.URL, x *exchange) error {
	for {
		token := t.login.header()
		err := t.send(req, endpoint, token, x)
		if err != nil || x.status != http.StatusUnauthorized || !t.login.renewed(token) {
			return err
		}
		*x = exchange{}
	}
}

func (t *transport) send(req *http.Request, endpoint *url.URL, token string, x *exchange) error {
	var sent atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	})
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host = endpoint.Scheme, endpoint.Host, endpoint.Host
	out.Header.Set("Authorization", token)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return err
		}
		out.Body = body
	}
	resp, err := t.base.RoundTrip(out)
	// Without a word from the trace an injected transport may have sent it.
	x.sent = sent.Load() || err == nil
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	resp.Request = out
	return x.read(resp)
}

func (x *exchange) read(resp *http.Response) error {
	x.status = resp.StatusCode
	_, x.reason, _ = strings.Cut(resp.Status, " ")
	x.date, _ = http.ParseTime(resp.Header.Get("Date"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if len(body) > maxAnswer {
		return errors.New("the answer is too long")
	}
	// Errors may come without a body, or with one that is not JSON: the reason
	// phrase is there in any case.
	if err := json.Unmarshal(body, &x.body); err != nil && x.status < 300 {
		return errors.New("the answer is not Proxmox VE's: it is not JSON")
	}
	// Every GET of ours is answered with an object, a list or a text; the library
	// takes that for granted.
	if resp.Request.Method == http.MethodGet && x.status < 300 && !holdsData(x.body.Data) {
		return errors.New("the answer is not Proxmox VE's: it holds no data")
	}
	return nil
}

func holdsData(data json.RawMessage) bool {
	return len(data) > 0 && strings.IndexByte(`{["`, data[0]) >= 0
}

// withExchange returns a context under which the next request's answer is noted.
func withExchange(ctx context.Context) (context.Context, *exchange) {
	x := &exchange{}
	return context.WithValue(ctx, exchangeKey{}, x), x
}
