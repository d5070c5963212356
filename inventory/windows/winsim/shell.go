package winsim

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

// shellTable holds the shells of a server. Its lock guards shells and commands
// too, and is never held while anything waits.
type shellTable struct {
	mu     sync.Mutex
	shells map[string]*shell
	closed bool // nothing may start any more
}

// shell is a remote shell: a frame for commands.
type shell struct {
	id       string
	user     *User
	commands map[string]*command
	started  int // commands ever started: Windows does not count them down
	idle     time.Duration
	used     time.Time // of the last message
	waiting  int       // messages under way; a shell in use is not idle
}

// command is one process and its pipes.
type command struct {
	id      string
	user    *User
	program program
	console bool // WINRS_CONSOLEMODE_STDIN: noted, not acted on

	stdin     bytes.Buffer
	stdinDone bool
	out, err  []byte // not yet fetched
	done      bool
	exit      int
	dropOnce  bool          // cut the connection that would carry the output
	changed   chan struct{} // closed and made anew whenever output or state changes
	gone      chan struct{} // closed when the command is terminated
	ended     bool          // gone is closed
}

func newCommand(user *User, p program, console bool) *command {
	return &command{
		id: newGUID(), user: user, program: p, console: console,
		changed: make(chan struct{}), gone: make(chan struct{}),
	}
}

// notify wakes whoever waits for the command; the table's lock is held.
func (c *command) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// finish ends the process; the table's lock is held.
func (c *command) finish(out, err string, exit int) {
	c.out, c.err = append(c.out, out...), append(c.err, err...)
	c.done, c.exit = true, exit
	c.notify()
}

// terminate ends the command for whoever runs it or waits for it; the table's
// lock is held.
func (c *command) terminate() {
	if !c.ended {
		c.ended = true
		close(c.gone)
		c.notify()
	}
}

// open makes a shell, within the quota of its user.
func (t *shellTable) open(user *User, idle time.Duration, limit int) (*shell, *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	count := 0
	for _, sh := range t.shells {
		if sh.user == user {
			count++
		}
	}
	if count >= limit {
		return nil, faultMaxShells(limit)
	}
	sh := &shell{id: newGUID(), user: user, commands: map[string]*command{}, idle: idle, used: time.Now()}
	t.shells[sh.id] = sh
	return sh, nil
}

// use finds a shell for one message, which must call release when answered.
func (t *shellTable) use(user *User, id string) (*shell, *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	sh := t.shells[id]
	if sh == nil {
		return nil, faultNoShell(id)
	}
	if sh.user != user {
		return nil, faultAccessDenied()
	}
	sh.waiting++
	return sh, nil
}

func (t *shellTable) release(sh *shell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sh.waiting--
	sh.used = time.Now()
}

// start puts a command into a shell, within the quotas.
func (t *shellTable) start(sh *shell, c *command, o Options) *fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	operations, running := 0, 0
	for _, other := range t.shells {
		if other.user == sh.user {
			operations += other.started
		}
	}
	for _, other := range sh.commands {
		if !other.done {
			running++
		}
	}
	switch {
	case operations >= o.MaxOperations:
		return faultMaxOperations(o.MaxOperations)
	case running >= o.MaxProcesses:
		return faultMaxProcesses(o.MaxProcesses)
	}
	sh.started++
	sh.commands[c.id] = c
	return nil
}

func (t *shellTable) command(sh *shell, id string) (*command, *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := sh.commands[id]; c != nil {
		return c, nil
	}
	return nil, faultParameter("no command " + id)
}

// close ends a command; closeShell ends a shell with all its commands.
func (t *shellTable) close(sh *shell, c *command) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(sh.commands, c.id)
	c.terminate()
}

func (t *shellTable) closeShell(sh *shell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(sh)
}

func (t *shellTable) drop(sh *shell) {
	delete(t.shells, sh.id)
	for _, c := range sh.commands {
		c.terminate()
	}
}

// expire drops the shells that were idle for too long. It runs when somebody
// asks: nobody can tell the difference, and there is no timer to stop.
func (t *shellTable) expire() {
	now := time.Now()
	for _, sh := range t.shells {
		if sh.waiting == 0 && now.Sub(sh.used) > sh.idle {
			t.drop(sh)
		}
	}
}

func (t *shellTable) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, sh := range t.shells {
		t.drop(sh)
	}
}

func (t *shellTable) shut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, sh := range t.shells {
		t.drop(sh)
	}
}

// CloseShells ends every shell, as a restart of the WinRM service does.
func (s *Server) CloseShells() { s.shells.closeAll() }

// Shells is how many shells stand.
func (s *Server) Shells() int {
	s.shells.mu.Lock()
	defer s.shells.mu.Unlock()
	s.shells.expire()
	return len(s.shells.shells)
}

// newGUID is a random identifier as Windows prints it.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
