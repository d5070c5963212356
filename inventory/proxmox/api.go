package proxmox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	pve "github.com/Telmate/proxmox-api-go/proxmox"
)

// requestTimeout bounds one request. PVE itself answers a locked configuration
// after up to 10 s, a wrong token after 3 s.
const requestTimeout = 90 * time.Second

// api sends requests through the client library and returns its answers raw.
type api struct {
	client *pve.Client
	login  *login
}

// params are a request's parameters. Unlike the library's they are only strings:
// it prints anything else as Go would.
type params map[string]string

func (p params) library() map[string]any {
	out := make(map[string]any, len(p))
	for k, v := range p {
		out[k] = v
	}
	return out
}

func newAPI(cfg Config, base http.RoundTripper) (*api, error) {
	login, err := newLogin(cfg.TokenFile)
	if err != nil {
		return nil, err
	}
	t := &transport{base: base, login: login}
	for _, e := range cfg.Endpoints {
		u, err := url.Parse(e)
		if err != nil {
			return nil, fmt.Errorf("cannot read endpoint %q: %w", e, err)
		}
		t.endpoints = append(t.endpoints, u)
	}
	client := &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	// The host is replaced by the transport; the timeout is the library's own
	// waiting, which is not used.
	lib, err := pve.NewClient(t.endpoints[0].Scheme+"://"+t.endpoints[0].Host+"/api2/json", client, "", nil, "", 0, false)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the client: %w", err)
	}
	lib.SetAPIToken(login.id, login.secret)
	return &api{client: lib, login: login}, nil
}

// get reads path into out.
func (a *api) get(ctx context.Context, path string, out any) (*exchange, error) {
	x, err := a.do(ctx, http.MethodGet, path, func(ctx context.Context) {
		var ignored map[string]any
		_ = a.client.GetJsonRetryable(ctx, path, &ignored, 1)
	})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(x.body.Data, out); err != nil {
		return nil, fmt.Errorf("cannot read the answer to GET %s: %w", path, err)
	}
	return x, nil
}

// post sends a POST and returns the UPID of the task that it started, if any.
func (a *api) post(ctx context.Context, path string, p params) (upid, error) {
	return a.task(a.do(ctx, http.MethodPost, path, func(ctx context.Context) {
		_, _ = a.client.CreateItemReturnStatus(ctx, p.library(), path)
	}))
}

// postList is post with one parameter that is a list.
func (a *api) postList(ctx context.Context, path string, p params, name string, list []string) (upid, error) {
	return a.task(a.do(ctx, http.MethodPost, path, func(ctx context.Context) {
		all := p.library()
		all[name] = list
		_, _ = a.client.CreateItemReturnStatus(ctx, all, path)
	}))
}

// put sends a PUT; empty values are sent too.
func (a *api) put(ctx context.Context, path string, p params) (upid, error) {
	return a.task(a.do(ctx, http.MethodPut, path, func(ctx context.Context) {
		_ = a.client.Put(ctx, p.library(), path)
	}))
}

func (a *api) delete(ctx context.Context, path string) (upid, error) {
	return a.task(a.do(ctx, http.MethodDelete, path, func(ctx context.Context) {
		_ = a.client.Delete(ctx, path)
	}))
}

// version asks for the release; any login may.
func (a *api) version(ctx context.Context) (pve.Version, error) {
	var version pve.Version
	_, err := a.do(ctx, http.MethodGet, "/version", func(ctx context.Context) {
		version, _ = a.client.GetVersion(ctx)
	})
	return version, err
}

// do lets the library send one request and looks at the answer itself.
func (a *api) do(ctx context.Context, method, path string, send func(context.Context)) (*exchange, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	traced, x := withExchange(limited)
	shielded(x, func() { send(traced) })
	if x.err == nil && x.status >= 200 && x.status < 300 {
		return x, nil
	}
	if x.err == nil && x.status == 0 {
		x.err = errors.New("no answer")
	}
	return nil, &apiError{method: method, path: path, token: a.login.name(), exchange: *x}
}

// shielded makes an error of a panic of the library over an answer that has another
// shape than it takes for granted.
func shielded(x *exchange, send func()) {
	defer func() {
		if recover() != nil {
			x.err = errors.New("the answer is not Proxmox VE's: it has another shape")
		}
	}()
	send()
}

// task takes the UPID out of an answer. Not every PVE answers a task with one:
// a resize does since 8.
func (a *api) task(x *exchange, err error) (upid, error) {
	if err != nil {
		return "", err
	}
	var s string
	if json.Unmarshal(x.body.Data, &s) != nil {
		return "", nil
	}
	u, _ := parseUPID(s)
	return u, nil
}
