package faults

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
)

// courier carries the HTTP requests of one client.
type courier struct {
	wire *Wire
	kind string
	base http.RoundTripper
	// failTask lets the task that a request starts fail; nil where there are none.
	failTask func(method, path string, form url.Values, how Fault)
}

// RoundTrip implements http.RoundTripper.
func (c *courier) RoundTrip(req *http.Request) (*http.Response, error) {
	req, form, err := withBody(req)
	if err != nil {
		return nil, err
	}
	path := strings.TrimPrefix(req.URL.Path, "/api2/json")
	p, fault, err := c.wire.meet(c.kind, nameOf(req.Method, path, form))
	if err != nil {
		return nil, err
	}
	switch fault {
	case Refused:
		return nil, errRefused
	case Hung:
		return nil, c.hang(req)
	case Failed:
		return unavailable(req), nil
	case TaskFailed, WorkerLost:
		c.failTask(req.Method, path, form, fault)
	}
	resp, err := c.base.RoundTrip(req)
	if err == nil {
		err = c.readAll(resp, p)
	}
	switch {
	case fault == Orphaned:
		c.wire.Cut()
		return nil, errCut
	case c.wire.Dead():
		return nil, errCut
	case err != nil:
		return nil, err
	case fault == Lost:
		return nil, errReset
	}
	return resp, nil
}

// withBody reads a request's body, so that it can be looked at and sent.
func withBody(req *http.Request) (*http.Request, url.Values, error) {
	if req.Body == nil {
		return req, nil, nil
	}
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, nil, err
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // what is no form has no VMID either
	return req, form, nil
}

// nameOf tells a request from others by its path, by the guest that it is to
// make, and by the status that it writes. What a guest is cloned from differs from
// run to run.
func nameOf(method, path string, form url.Values) string {
	if newid := form.Get("newid"); newid != "" {
		return "clone newid=" + newid
	}
	name := method + " " + path
	for _, key := range []string{"vmid", "name", "state"} {
		if v := form.Get(key); v != "" && method == http.MethodPost {
			name += " " + key + "=" + v
		}
	}
	return name
}

// hang sends the request nowhere. As far as its client can see it went out.
func (c *courier) hang(req *http.Request) error {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	select {
	case <-req.Context().Done():
		return req.Context().Err()
	case <-c.wire.cut:
		return errCut
	}
}

func unavailable(req *http.Request) *http.Response {
	return &http.Response{
		Status: "503 Service Unavailable", StatusCode: http.StatusServiceUnavailable, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}
}

// readAll takes in the whole answer, so that no connection breaks in its middle,
// and notes whether it names a task.
func (c *courier) readAll(resp *http.Response, p Point) error {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.HasPrefix(body, []byte(`{"data":"UPID:`)) {
		c.wire.counter.startsTask(p)
	}
	return nil
}
