package reconciler_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// What provost is compared with, on the same double and with the same faults:
// tools that know nothing of each other's locks but what the server refuses. They
// are given the best that can be said for them: they read nothing before they
// begin, take nothing over that is not theirs, and go on where they were stopped.
var naiveStrategies = map[string]strategy{
	// As Terraform does: ten workers, each call and task tried again three times,
	// and what then failed is left to the next apply.
	"pool of 10": pool{workers: 10}.run,
	// As the Celery application did: five workers and a lock for each template.
	"locked pool": pool{workers: 5, locked: true}.run,
}

type pool struct {
	workers int
	locked  bool
}

const (
	naiveTries  = 4           // the first and three more
	naivePause  = time.Second // between tries, and between polls
	naivePasses = 30          // then a person would have given up
)

func (p pool) run(t *testing.T, s *stand) (passes, failed int) {
	c := &naiveClient{s: s, http: &http.Client{Transport: s.wire}, locks: map[string]chan struct{}{}}
	if p.locked {
		for _, template := range []string{"9000", "9001"} {
			c.locks[template] = make(chan struct{}, 1)
		}
	}
	open := s.wanted()
	done := make([]int, len(open)) // steps
	for len(open) > 0 && passes < naivePasses {
		passes++
		queue := make(chan wanted, len(open))
		for _, w := range open {
			queue <- w
		}
		close(queue)
		var group sync.WaitGroup
		for range p.workers {
			group.Go(func() {
				for w := range queue {
					c.make(w, &done[w.vmid-firstVMID])
				}
			})
		}
		group.Wait()
		var left []wanted
		for _, w := range open {
			if done[w.vmid-firstVMID] < naiveSteps {
				left = append(left, w)
			}
		}
		open, failed = left, failed+len(left)
	}
	return passes, failed
}

type naiveClient struct {
	s     *stand
	http  *http.Client
	locks map[string]chan struct{}
}

const naiveSteps = 3 // make, configure, start

// make goes on with a machine until a step fails for good.
func (c *naiveClient) make(w wanted, done *int) {
	for *done < naiveSteps && c.step(w, *done) {
		*done++
	}
}

func (c *naiveClient) step(w wanted, step int) bool {
	typ := "lxc"
	if w.how == linkedMachines {
		typ = "qemu"
	}
	guest := fmt.Sprintf("/nodes/%s/%s/%d", w.node, typ, w.vmid)
	config := url.Values{"memory": {"512"}, "cores": {"1"}}
	switch {
	case step == 0 && w.how == images:
		form := url.Values{"vmid": {fmt.Sprint(w.vmid)}, "hostname": {w.name}, "ostemplate": {"images:vztmpl/" + osTemplate},
			"rootfs": {fmt.Sprintf("disks:%d", c.s.diskGiB())}, "memory": {"512"}, "cores": {"1"}}
		return c.task("POST", "/nodes/"+w.node+"/lxc", form)
	case step == 0:
		return c.clone(w, typ)
	case step == 1 && w.how == images:
		return true // the creation said all
	case step == 1:
		return c.retried(func() bool { _, ok := c.call("PUT", guest+"/config", config); return ok })
	}
	return c.task("POST", guest+"/status/start", nil)
}

func (c *naiveClient) clone(w wanted, typ string) bool {
	template, name := "9000", "hostname"
	if typ == "qemu" {
		template, name = "9001", "name"
	}
	form := url.Values{"newid": {fmt.Sprint(w.vmid)}, name: {w.name}, "full": {"0"}}
	if w.node != "pve1" {
		form.Set("target", w.node)
	}
	if w.how == fullClones {
		form.Set("full", "1")
		form.Set("storage", "disks")
	}
	if lock := c.locks[template]; lock != nil {
		lock <- struct{}{}
		defer func() { <-lock }()
	}
	return c.task("POST", "/nodes/pve1/"+typ+"/"+template+"/clone", form)
}

func (c *naiveClient) retried(try func() bool) bool {
	for i := range naiveTries {
		if i > 0 {
			time.Sleep(naivePause)
		}
		if try() {
			return true
		}
	}
	return false
}

// task sends a request and polls its task every second until it has ended.
func (c *naiveClient) task(method, path string, form url.Values) bool {
	return c.retried(func() bool {
		upid, ok := c.call(method, path, form)
		if !ok {
			return false
		}
		node, _, _ := strings.Cut(strings.TrimPrefix(upid, "UPID:"), ":")
		for {
			status, _ := c.call("GET", "/nodes/"+node+"/tasks/"+url.PathEscape(upid)+"/status", nil)
			if strings.Contains(status, `"stopped"`) {
				return strings.Contains(status, `"exitstatus":"OK"`)
			}
			time.Sleep(naivePause)
		}
	})
}

// call gives the answer's data: a string as it is, anything else as JSON.
func (c *naiveClient) call(method, path string, form url.Values) (data string, ok bool) {
	req, err := http.NewRequest(method, c.s.sim.URLs()[0]+"/api2/json"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", false
	}
	req.Header.Set("Authorization", "PVEAPIToken="+c.s.sim.RootToken())
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var answer struct{ Data json.RawMessage }
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return "", false
	}
	if json.Unmarshal(answer.Data, &data) != nil {
		data = string(answer.Data)
	}
	return data, true
}
