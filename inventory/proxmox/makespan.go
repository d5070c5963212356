package proxmox

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// worthwhile is the part of the time that a fan-out has to save. A copy takes room,
// and the times are guessed.
const worthwhile = 0.03

// bestFanout is how many copies make n clones quickest; 0 unless that is
// worthwhile. Of numbers that are nearly as good the smallest is the best.
func bestFanout(n, sources, capacity, most int, s speed) int {
	spans := make([]time.Duration, most+1)
	for k := range spans {
		spans[k] = makespan(n, sources, k, capacity, s)
	}
	quickest, enough := float64(slices.Min(spans)), float64(spans[0])*(1-worthwhile)
	if quickest > enough {
		return 0
	}
	return slices.IndexFunc(spans, func(span time.Duration) bool {
		return float64(span) <= min(enough, quickest*(1+worthwhile/2))
	})
}

// makespan is how long k copies and then n clones take, round after round: each
// source serves one, and a copy is a source from the next round on. Once it is known
// how much all of them get done, clones follow each other without rounds.
func makespan(n, sources, k, capacity int, s speed) time.Duration {
	var total time.Duration
	for n+k > 0 {
		side := max(1, min(sources, capacity, n+k))
		if k == 0 && s.most > 0 {
			rounds := (n + side - 1) / side
			return total + max(time.Duration(rounds)*s.alone, s.side(float64(n)))
		}
		total += s.side(float64(side))
		copied := min(k, side)
		k, n, sources = k-copied, n-(side-copied), sources+copied
	}
	return total
}

func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 2*time.Minute:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

func atATime(sources int) string {
	if sources == 1 {
		return "one after the other"
	}
	return fmt.Sprintf("from %d sources", sources)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
