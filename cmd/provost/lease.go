package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/lease"
)

// leaseOff in lease: says that no other daemon is to be reckoned with.
const leaseOff = "off"

// shortestLease leaves time for some beats, and for an answer that is late.
const shortestLease = 3 * time.Second

// leaseSystem is the system on which the daemons of the campus agree which of them
// works, or "". One that is only observed is not written to, not even for that: and
// where all are, no agreement is needed.
func (c *Config) leaseSystem() string {
	if c.Lease != "" && c.Lease != leaseOff {
		return c.Lease
	}
	for _, name := range slices.Sorted(maps.Keys(c.Systems)) {
		if s := c.Systems[name]; c.Lease == "" && s.Proxmox != nil && s.Apply != reconciler.ApplyOff {
			return name
		}
	}
	return ""
}

// checkLease says what is wrong with lease: and lease_time:, or "".
func (c *Config) checkLease() string {
	s, known := c.Systems[c.Lease]
	switch {
	case c.LeaseTime < shortestLease:
		return fmt.Sprintf("lease_time: %s is too short: at least %s", c.LeaseTime, shortestLease)
	case c.Lease == "" || c.Lease == leaseOff:
		return ""
	case !known || s.Proxmox == nil:
		return fmt.Sprintf("lease: %q is neither off nor a system with proxmox:", c.Lease)
	case s.Apply == reconciler.ApplyOff:
		return fmt.Sprintf("lease: %s is only observed (apply: off), so the lease cannot be kept there", c.Lease)
	}
	return ""
}

// takeTurns makes a reconciler work only while no other daemon of the campus does.
// It returns nil where none is to be reckoned with. Close the seat after the keeper.
func takeTurns(c *Config, r *reconciler.Reconciler, impatient bool, log *slog.Logger) (*lease.Keeper, error) {
	name := c.leaseSystem()
	if name == "" {
		return nil, nil
	}
	place, ok := r.Systems[name].System.(reconciler.Leaser)
	if !ok {
		return nil, fmt.Errorf("lease: %s cannot keep one", name)
	}
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return nil, fmt.Errorf("cannot use the state directory: %w", err)
	}
	seat, err := lease.OpenSeat(c.State)
	if err != nil {
		return nil, err
	}
	k := lease.New(lease.Options{
		Place: place, Seat: seat, Holder: whoami(), Lasts: c.LeaseTime, Log: log.With("lease", name), Impatient: impatient,
	})
	r.Turn, r.Grace = k.Turn, min(c.Grace, lease.Grace(c.LeaseTime))
	return k, nil
}

// giveBack ends a keeper, which may be nil.
func giveBack(ctx context.Context, k *lease.Keeper) {
	if k != nil {
		k.Close(ctx)
		k.Seat.Close()
	}
}

// whoami is this process, for people on other machines.
func whoami() string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	return fmt.Sprintf("provost on %s, process %d", host, os.Getpid())
}
