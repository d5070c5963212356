package reconciler_test

// machinesInLine is the least time for linked clones of a machine template: all are
// cloned on the template's node, and each then starts and reads from the storage.
//
// Clones side by side share the node, so that many at once are done soonest as a
// whole, and few at once see their first one soonest: one cannot have both. That is
// what the other terms leave out, and it decides where a storage waits for the first.
//
// A node that works on n tasks lets each go on at 1/(1+c(n−1)) of its own speed. Let
// v be how far a task has come that has been there all the time. Then the clone that
// starts at s ends at s+W; who starts first ends first; and the time at which v comes
// to a point is (1−c)·v + c·(all that was worked on until then), a sum over clones.
// So when the k-th is done hangs on when those after it begin, and on itself: the
// later they begin, the sooner. Whether all can be done in a given time is therefore
// found out from the last to the first, each as late as the time allows.
func (m demand) machinesInLine() float64 {
	if m.count[linkedMachines] == 0 || m.Contention > 1 {
		return 0
	}
	after := m.afterClones(m.count[linkedMachines])
	least, most := 0.0, m.path()
	for !m.inLine(most, after) {
		least, most = most, 2*most
	}
	for most-least > 1e-4*most {
		if middle := (least + most) / 2; m.inLine(middle, after) {
			most = middle
		} else {
			least = middle
		}
	}
	return least
}

// inLine reports that all machines can stand by the end, as far as this can tell,
// where n machines take after[n] from the clone of the first of them.
func (m demand) inLine(end float64, after []float64) bool {
	clones := len(after) - 1
	begin := make([]float64, clones) // in v, of each clone
	for k := clones - 1; k >= 0; k-- {
		done := end - m.call(m.Answer) - m.Fork.Seconds() - after[clones-k]
		if m.clonedBy(begin, k) > done {
			return false
		}
		low, high := 0.0, max(0, done)
		if k+1 < clones {
			high = begin[k+1]
		}
		for range 40 {
			begin[k] = (low + high) / 2
			if m.clonedBy(begin, k) > done {
				high = begin[k]
			} else {
				low = begin[k]
			}
		}
		begin[k] = high
	}
	return true
}

// clonedBy is when the k-th clone is done, counted from 0, if it and those after it
// begin as told. All before it are done by then, whenever they began.
func (m demand) clonedBy(begin []float64, k int) float64 {
	work, end := m.LinkedClone.Seconds(), begin[k]+m.LinkedClone.Seconds()
	worked := float64(k+1) * work
	for _, later := range begin[k+1:] {
		if later >= end {
			break
		}
		worked += end - later
	}
	least := (1-m.Contention)*end + m.Contention*worked
	if n := float64(m.Saturation); n > 0 { // more at once win nothing
		least = max(least, worked*(1+m.Contention*(n-1))/n)
	}
	return least
}

// afterClones is how long the last n of machines take from the clone of the first of
// them, for each n: their starts are spread over the nodes and share what these do,
// and then the storage.
func (m demand) afterClones(clones int) []float64 {
	after := make([]float64, clones+1)
	for n := 1; n <= clones; n++ {
		stand := max(m.readBy(n), m.startedBy(n)+m.copying(m.Booted))
		after[n] = m.poll() + m.between() + stand + m.poll()
	}
	return after
}

// startedBy is when n machines that begin to start together can have done their work.
func (m demand) startedBy(n int) float64 {
	nodes := float64(m.nodes)
	return max(1, float64(n)/(nodes*m.smooth(float64(n)/nodes))) * m.Start.Seconds()
}

// readBy is when they can have read all that they read.
func (m demand) readBy(n int) float64 {
	left, now, alone := float64(n)*m.Booted, m.startedBy(1), 1/m.copying(1)
	for reading := 1; ; reading++ {
		rate := min(m.Shared.Throughput, float64(reading)*alone)
		if reading == n || rate == m.Shared.Throughput {
			return now + left/rate
		}
		next := m.startedBy(reading + 1)
		if left <= rate*(next-now) {
			return now + left/rate
		}
		left, now = left-rate*(next-now), next
	}
}
