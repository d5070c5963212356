package pvesim

import "slices"

// taskLog is what a node remembers of the tasks that have ended: a file, and the
// one before it. A file that has grown beyond logBytes is moved aside, and what was
// there is forgotten; so says PVE::RESTEnvironment. A task's own log and status
// outlive that.
type taskLog struct {
	index, before []*task
	bytes         int // of the index
}

const logBytes = 50_000

func (l *taskLog) add(t *task) {
	l.index = append(l.index, t)
	if l.bytes += len(t.upid) + len(" 00000000 ") + len(t.exit) + 1; l.bytes > logBytes {
		l.index, l.before, l.bytes = nil, l.index, 0
	}
}

// newest are all that it remembers, the last first.
func (l *taskLog) newest() []*task {
	all := slices.Concat(l.before, l.index)
	slices.Reverse(all)
	return all
}
