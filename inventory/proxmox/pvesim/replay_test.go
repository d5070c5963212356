package pvesim_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// uncovered reads the list of blocks that the double does not answer alike.
func uncovered(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/uncovered.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		id, reason, _ := strings.Cut(s.Text(), " ")
		if strings.HasPrefix(id, "#") || id == "" {
			continue
		}
		if strings.TrimSpace(reason) == "" {
			t.Errorf("%s stands in the list without a reason", id)
		}
		list[id] = reason
	}
	return list
}

// TestRecordings replays what a real server answered, block by block in the
// order of recording, on one cluster in virtual time. A block in the list that
// is answered alike fails the test, so that the list can only shrink.
func TestRecordings(t *testing.T) {
	blocks, list := readBlocks(t), uncovered(t)
	synctest.Test(t, func(t *testing.T) {
		r := newReplayer(t)
		defer r.stop()
		covered := 0
		for _, b := range blocks {
			problem := r.replay(b)
			_, listed := list[b.id]
			switch {
			case problem != "" && !listed:
				t.Errorf("%s: %s", b.id, problem)
			case problem == "" && listed:
				t.Errorf("%s is answered alike: take it off testdata/uncovered.txt", b.id)
			case problem == "":
				covered++
			}
			delete(list, b.id)
		}
		if len(uncovered(t)) > mostUncovered {
			t.Errorf("testdata/uncovered.txt has grown")
		}
		for id := range list {
			t.Errorf("testdata/uncovered.txt names %s, which is no block", id)
		}
		t.Logf("%d of %d blocks are answered alike", covered, len(blocks))
	})
}

// mostUncovered may be lowered and never raised.
const mostUncovered = 7

var replayCosts = pvesim.Costs{
	Answer: 30 * time.Millisecond, Fork: 5 * time.Millisecond,
	FullClone: 400 * time.Millisecond, LinkedClone: 150 * time.Millisecond, Create: 500 * time.Millisecond,
	Stop: 10 * time.Millisecond, Destroy: 10 * time.Millisecond,
}

type replayer struct {
	*client
	stop   func()
	tokens map[string]string // by who asks
	real   map[string]string // recorded UPID to ours
}

func newReplayer(t *testing.T) *replayer {
	c, stop := startMem(t, pvesim.Options{Costs: replayCosts})
	return &replayer{client: c, stop: stop, real: map[string]string{}, tokens: map[string]string{
		"root": c.token, "none": "", "bad": "root@pam!test=00000000-0000-0000-0000-000000000000",
		"unknown": "root@pam!nosuch=00000000-0000-0000-0000-000000000000",
		"nobody":  "nobody@pam!x=00000000-0000-0000-0000-000000000000", "malformed": "x",
	}}
}

// replay returns what differs, "" if nothing does.
func (r *replayer) replay(b block) string {
	for _, d := range b.before {
		if err := r.direct(d); err != nil {
			return err.Error()
		}
	}
	if b.file != "" {
		if got := someMAC.ReplaceAllString(strings.TrimSpace(r.c.File(r.fileOf(b.file))), "MAC"); got != someMAC.ReplaceAllString(b.file, "MAC") {
			return fmt.Sprintf("the file is\n%s\nand was\n%s", got, b.file)
		}
		return ""
	}
	var got, want []string
	var mu sync.Mutex
	var wg sync.WaitGroup
	var upids []string
	if b.task != "" {
		upids = []string{r.real[b.task]}
	}
	for _, e := range b.exchanges {
		want = append(want, e.status+"\n"+normal(e.body))
		wg.Go(func() {
			if len(b.exchanges) > 1 && e.status != "200 OK" {
				time.Sleep(10 * time.Millisecond) // who lost the race came later
			}
			a := r.exchange(e)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%d %s\n%s", a.status, a.reason, normal(a.body)))
			if id := a.upid(); strings.HasPrefix(id, "UPID:") {
				upids = append(upids, id)
				if was := recordedUPID(e.body); was != "" {
					r.real[was] = id
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(10 * time.Millisecond) // as it took the recorder
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Sprintf("%v\ngot  %s\nwant %s", b.exchanges[0], strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	return r.compareExits(b, upids)
}

func recordedUPID(body string) string {
	var b struct{ Data string }
	_ = json.Unmarshal([]byte(body), &b)
	return b.Data
}

func (r *replayer) compareExits(b block, upids []string) string {
	if len(b.exits) == 0 {
		return ""
	}
	var got []string
	for _, id := range upids {
		got = append(got, r.exit(id, b.exits[0] != "running"))
	}
	slices.Sort(got)
	want := slices.Clone(b.exits)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Sprintf("tasks ended %q and ended %q", got, want)
	}
	return ""
}

// exit waits for a task's end, or looks once.
func (r *replayer) exit(upid string, wait bool) string {
	for range 100000 {
		a := r.do("GET", "/nodes/pve1/tasks/"+upid+"/status")
		var b struct {
			Data struct{ Status, Exitstatus string }
		}
		if json.Unmarshal([]byte(a.body), &b) != nil || a.status != 200 {
			return a.body
		}
		if !wait && b.Data.Status == "running" {
			return "running"
		}
		if b.Data.Status == "stopped" {
			return b.Data.Exitstatus
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "never"
}

var repeat = regexp.MustCompile(`^@repeat (.) (\d+)$`)

func (r *replayer) exchange(e exchange) answer {
	path := e.path
	for was, is := range r.real {
		path = strings.ReplaceAll(path, was, is)
		path = strings.ReplaceAll(path, strings.NewReplacer(":", "%3A", "@", "%40", "!", "%21").Replace(was), is)
	}
	if e.who == "json" || e.who == "text" {
		return r.raw(e)
	}
	var params map[string]any
	if e.params != "" {
		if err := json.Unmarshal([]byte(e.params), &params); err != nil {
			r.t.Errorf("%s: %s", e.params, err)
		}
	}
	var pairs []string
	for k, v := range params {
		text := fmt.Sprint(v)
		if m := repeat.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[2])
			text = strings.Repeat(m[1], n)
		}
		pairs = append(pairs, k+"="+text)
	}
	as := *r.client
	as.token = r.tokens[e.who]
	a := as.do(e.method, path, pairs...)
	r.learnToken(a.body)
	return a
}

// raw sends a body that is no form.
func (r *replayer) raw(e exchange) answer {
	req, err := http.NewRequest(e.method, r.base+"/api2/json"+e.path, strings.NewReader(e.params))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "PVEAPIToken="+r.token)
	req.Header.Set("Content-Type", map[string]string{"json": "application/json", "text": "text/plain"}[e.who])
	return r.send(req)
}

// learnToken keeps the secrets of tokens that were made through the API.
func (r *replayer) learnToken(body string) {
	var b struct {
		Data struct {
			Full  string `json:"full-tokenid"`
			Value string `json:"value"`
		}
	}
	if json.Unmarshal([]byte(body), &b) != nil || b.Data.Full == "" {
		return
	}
	for who, name := range map[string]string{"A": "alice@pve!t0", "A-privsep": "alice@pve!t1"} {
		if b.Data.Full == name {
			r.tokens[who] = name + "=" + b.Data.Value
		}
	}
}

// fileOf finds whose file was printed: its root disk names it.
func (r *replayer) fileOf(text string) int {
	m := regexp.MustCompile(`rootfs: \w+:(\d+)/`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// direct does what a directive says.
func (r *replayer) direct(d string) error {
	head, rest, _ := strings.Cut(d, "\n")
	w := strings.Fields(head)
	num := func(i int) int { n, _ := strconv.Atoi(w[i]); return n }
	switch w[0] {
	case "@guest": // @guest 100 lxc running, and its file
		if err := r.c.AddGuest(pvesim.Guest{VMID: num(1), Node: "pve1", Type: w[2], Status: w[3]}); err != nil {
			return err
		}
		return r.c.EditFile(num(1), rest)
	case "@file": // @file 103, and its new text
		return r.c.EditFile(num(1), rest)
	case "@lock":
		r.c.HoldLock(num(1), strings.Join(w[2:], ""))
	case "@pool":
		r.c.AddPool(w[1], "")
	case "@remove":
		r.do("DELETE", "/nodes/pve1/"+w[1]+"/"+w[2])
	case "@status":
		r.c.SetStatus(num(1), w[2])
	case "@wait": // for everything that runs
		time.Sleep(time.Hour)
	case "@cost": // @cost clone 5s
		return r.cost(w[1], w[2])
	case "@quick":
		r.c.SetCosts(replayCosts)
	case "@failtask": // @failtask path param=value|- text: what went wrong on the recorded server
		_, text, _ := strings.Cut(head, w[2]+" ")
		f := pvesim.Fault{Method: "POST", Path: w[1], Kind: pvesim.FailTask, Reason: text}
		if k, v, ok := strings.Cut(w[2], "="); ok {
			f.Params = map[string]string{k: v}
		}
		r.c.Inject(f)
	default:
		return fmt.Errorf("unknown directive %s", d)
	}
	return nil
}

// cost makes one kind of task slow.
func (r *replayer) cost(kind, duration string) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	costs := replayCosts
	switch kind {
	case "clone":
		costs.FullClone = d
	case "template":
		costs.Template = d
	case "create":
		costs.Create = d
	default:
		return fmt.Errorf("unknown cost %s", kind)
	}
	r.c.SetCosts(costs)
	return nil
}
