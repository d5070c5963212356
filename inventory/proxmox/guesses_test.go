package proxmox

import (
	"math"
	"testing"
	"time"
)

// ofDesktops are guesses in round figures: 10 GiB are copied in 100 s.
var ofDesktops = &Guesses{
	FullClone: 20 * time.Second, LinkedClone: 2 * time.Second, LinkedMachine: time.Second, Create: 6 * time.Second,
	Backup: 10 * time.Second, Restore: 30 * time.Second, Start: 3 * time.Second, CreatedStart: time.Second,
	Destroy: 4 * time.Second, Migrate: 8 * time.Second, Contention: 0.5, Unpacked: 0.2 * gib, Booted: 0.1 * gib,
	RestoreStream: 0.05 * gib,
	Shared:        Copying{Stream: 0.1 * gib, Throughput: 0.4 * gib}, Local: Copying{Throughput: math.Inf(1)},
}

func TestGuesses(t *testing.T) {
	for _, tt := range []struct {
		about about
		alone time.Duration
		drag  float64
		most  float64 // tasks a second
	}{
		{about{subject: "vzclone/9000/full", units: 10, storage: "ceph"}, 120 * time.Second, 0.5 * 20 / 120, 0.04},
		{about{subject: "vzclone/9000/full", units: 10, storage: "pve1/local"}, 20 * time.Second, 0.5, 0},
		{about{subject: "vzclone/9000/linked", units: 1}, 2 * time.Second, 0.5, 0},
		{about{subject: "qmclone/9001/linked", units: 1}, time.Second, 0.5, 0},
		{about{subject: "vzcreate", units: 1, storage: "ceph"}, 8 * time.Second, 0.5 * 6 / 8, 2},
		{about{subject: "vzdump/9000", units: 10, storage: "ceph"}, 110 * time.Second, 0.5 * 10 / 110, 0.04},
		{about{subject: "vzrestore/9000", units: 10, storage: "ceph"}, 230 * time.Second, 0.5 * 30 / 230, 0.04},
		{about{subject: "vzstart", units: 1}, 4 * time.Second, 0.5 * 3 / 4, 4},
		{about{subject: "qmdestroy", units: 1}, 4 * time.Second, 0.5, 0},
		{about{subject: "qmigrate", units: 1}, 8 * time.Second, 0.5, 0},
	} {
		s, ok := ofDesktops.of(tt.about)
		if !ok || s.alone.Round(time.Millisecond) != tt.alone || math.Abs(s.drag-tt.drag) > 1e-6 || math.Abs(s.most-tt.most) > 1e-6 || !s.assumed {
			t.Errorf("%s: %+v %v, want %s with drag %g, %g a second", tt.about.subject, s, ok, tt.alone, tt.drag, tt.most)
		}
	}
	for _, a := range []about{{}, {subject: "vzclone", units: 1}, {subject: "vzshutdown", units: 1}} { // of which nothing was measured
		if s, ok := ofDesktops.of(a); ok {
			t.Errorf("%+v: %+v", a, s)
		}
	}
	if s, ok := (*Guesses)(nil).of(about{subject: "vzstart"}); ok {
		t.Errorf("without any: %+v", s)
	}
}

// What was seen counts for more than what somebody has measured once.
func TestWhatWasSeenReplacesGuesses(t *testing.T) {
	p := &pace{guesses: ofDesktops}
	l := &lesson{about: aboutTask("vzdestroy"), node: "pve1", began: time.Now()}
	p.initLocked()
	p.countLocked(l, 1, l.began)
	if e := p.expectation(l); !e.known || e.usual != 4*time.Second || e.soonest >= e.usual {
		t.Errorf("by what was measured: %+v", e)
	}
	p.recordLocked("vzdestroy", 0, 60, 0)
	if e := p.expectation(l); !e.known || e.usual != time.Minute {
		t.Errorf("by what was seen: %+v", e)
	}
}
