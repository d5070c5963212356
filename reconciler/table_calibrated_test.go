package reconciler_test

import (
	"fmt"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/calibrate"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// A daemon whose configuration names a preset of its cluster need not find out with
// the first machines what they take. These rows show what that wins.

// byKnowing makes a row as provost does that has timed the cluster before.
func byKnowing(t *testing.T, s *stand) (passes, failed int) {
	costs, err := pvesim.Preset(s.preset)
	if err != nil {
		t.Fatal(err)
	}
	s.guesses = calibrate.Guesses(costs)
	return byProvost(t, s)
}

func calibratedRows() (rows []row) {
	for _, preset := range []string{"tiny", "campus", "slow-nfs"} {
		for _, mix := range []string{fullClones, images, mixed} {
			rows = append(rows, row{preset: preset, machines: 20, mix: mix})
		}
	}
	return append(rows, row{preset: "campus", machines: 100, mix: mixed})
}

// BenchmarkCalibrated prints the rows of docs/performance.md with a preset that fits.
func BenchmarkCalibrated(b *testing.B) {
	for _, r := range calibratedRows() {
		b.Run(fmt.Sprint(r), func(b *testing.B) { r.bench(b, byKnowing) })
	}
}

// TestCalibrated: to know what tasks take never costs much time, nor more than half a
// request a machine: looks begin when a task may have ended, not when one hopes so.
func TestCalibrated(t *testing.T) {
	for _, r := range calibratedRows() {
		if r.machines > 20 || r.preset == "slow-nfs" {
			continue
		}
		t.Run(r.String(), func(t *testing.T) {
			guessed, known := r.run(t, byProvost), r.run(t, byKnowing)
			t.Log("guessed", guessed)
			t.Log("known  ", known)
			if known.missing > 0 || known.twice > 0 || known.failed > 0 || known.passes != 1 {
				t.Errorf("%d missing, %d twice, %d failed, %d passes", known.missing, known.twice, known.failed, known.passes)
			}
			if known.makespan > guessed.makespan*102/100 || known.requests > guessed.requests+r.machines/2 {
				t.Errorf("it takes longer than by guessing, or many more requests")
			}
		})
	}
}
