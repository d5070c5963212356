package proxmox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// With SSH, a pass over an unchanged campus costs the same however many guests
// there are.
func TestAnIdlePassCostsTheSameForAnyNumber(t *testing.T) {
	var costs []string
	for _, n := range []int{60, 600, 6000} {
		virtual(t, pvesim.Options{StatDelay: 10 * time.Second}, func(t *testing.T, r *rig) {
			r.live(t, n)
			c := r.open(t)
			time.Sleep(time.Minute) // the machines were made long ago
			list(t, c)
			r.sim.ForgetRequests()
			if got := len(list(t, c)); got < 2*n {
				t.Fatalf("%d items of %d guests", got, n)
			}
			costs = append(costs, fmt.Sprintf("%d requests and %d SSH reads", len(r.sim.Requests()), r.sim.SSHReads()))
		})
	}
	t.Logf("a pass over 60, 600, 6,000 unchanged guests: %q", costs)
	if len(slices.Compact(costs)) != 1 || costs[0] != "2 requests and 1 SSH reads" {
		t.Errorf("%q", costs)
	}
}

// host plays a host's forced command.
type host struct {
	files clusterFiles
	plain bool
	words []string
}

func (h *host) ask(word string) (clusterFiles, error) {
	h.words = append(h.words, word)
	out := clusterFiles{guests: map[string]guest{}, vmlist: h.files.vmlist}
	if word == wordRead {
		out.guests = h.files.guests
	} else if h.plain {
		return clusterFiles{}, errors.New("refused")
	}
	return out, nil
}

func (h *host) write(vmid int, version int64) {
	r := ref{fmt.Sprint(vmid), typeLXC, "pve1"}
	h.files.guests[r.vmid] = guest{ref: r, cfg: rawConfig{"memory": fmt.Sprint(version)}}
	h.files.vmlist.guests[r.vmid] = listed{r, version}
	h.files.vmlist.version = version
}

func newHost() *host {
	h := &host{files: clusterFiles{guests: map[string]guest{}, vmlist: &vmList{guests: map[string]listed{}}}}
	for i := range 100 {
		h.write(100+i, int64(i+1))
	}
	return h
}

func TestKeptFiles(t *testing.T) {
	for _, tt := range []struct {
		name   string
		happen func(*host, *kept)
		words  []string // after the first read
		guests int      // known after them
	}{
		{"nothing", func(*host, *kept) {}, []string{"versions"}, 100},
		{"one is written", func(h *host, _ *kept) { h.write(105, 1000) }, []string{"versions"}, 99},
		{"one is new", func(h *host, _ *kept) { h.write(300, 1000) }, []string{"versions"}, 100},
		{"one is gone", func(h *host, _ *kept) { delete(h.files.vmlist.guests, "100") }, []string{"versions"}, 99},
		{"one has moved", func(h *host, _ *kept) {
			moved := ref{"100", typeLXC, "pve2"}
			h.files.vmlist.guests["100"], h.files.guests["100"] = listed{moved, 1}, guest{ref: moved, cfg: rawConfig{}}
		}, []string{"versions"}, 99},
		{"many are written", func(h *host, _ *kept) {
			for i := range 20 {
				h.write(100+i, int64(1000+i))
			}
		}, []string{"versions", "read"}, 100},
		{"the count began anew", func(h *host, _ *kept) { h.files.vmlist.version = 3 }, []string{"versions", "read"}, 100},
		{"time passes", func(*host, *kept) { time.Sleep(wholeEvery) }, []string{"read"}, 100},
		{"another host answers", func(_ *host, k *kept) { k.host = "other" }, []string{"read"}, 100},
		{"the command knows one word", func(h *host, _ *kept) { h.plain = true }, []string{"versions", "read"}, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, k := newHost(), &kept{}
				if _, err := k.read("a", h.ask); err != nil {
					t.Fatal(err)
				}
				h.words = nil
				tt.happen(h, k)
				files, err := k.read("a", h.ask)
				if err != nil || !slices.Equal(h.words, tt.words) || len(files.guests) != tt.guests {
					t.Errorf("asked %q, know %d, %v; want %q and %d", h.words, len(files.guests), err, tt.words, tt.guests)
				}
				// What changed is read over the API, and then known.
				k.learn(files.vmlist, h.files.guests)
				h.words = nil
				if files, err = k.read("a", h.ask); err != nil || len(h.words) != 1 || len(files.guests) != len(h.files.vmlist.guests) {
					t.Errorf("then asked %q, know %d, %v", h.words, len(files.guests), err)
				}
			})
		})
	}
}

// The forced command of the documentation, with the real sshd, tar and sh.
func TestVersionsOverSSHD(t *testing.T) {
	tree := t.TempDir()
	if err := os.CopyFS(tree, os.DirFS("testdata/pve")); err != nil {
		t.Fatal(err)
	}
	cfg := startSSHD(t, "cd "+tree+" && case $SSH_ORIGINAL_COMMAND in versions) exec tar -cf - .vmlist;; *) exec tar -cf - .vmlist nodes/*/lxc nodes/*/qemu-server;; esac")
	r, err := newSSHReader(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		files, err := r.read(t.Context())
		if err != nil || len(files.guests) != 3 || files.partial != (i == 1) {
			t.Fatalf("read %d: %v, partial %v, %v", i, files.guests, files.partial, err)
		}
		// From now on only what .vmlist says is read.
		if err := os.RemoveAll(filepath.Join(tree, "nodes")); err != nil {
			t.Fatal(err)
		}
	}
}
