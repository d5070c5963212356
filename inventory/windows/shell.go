package windows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/masterzen/winrm"
)

const (
	envelope  = 153_600 // bytes of a message: what servers are left with
	sendChunk = 100_000 // of standard input in one message; base64 makes it a third more
	maxOutput = 64 << 20
)

// commandError is a command that gave no answer. ran tells whether it may have
// done something all the same.
type commandError struct {
	ran bool
	err error
}

func (e *commandError) Error() string { return e.err.Error() }
func (e *commandError) Unwrap() error { return e.err }

// mayHaveRun reports whether a command that ended so may have done something.
func mayHaveRun(err error) bool {
	var c *commandError
	return !errors.As(err, &c) || c.ran
}

// run has the server do what the verb's script does with the document.
func (h *host) run(ctx context.Context, verb string, document []byte) ([]section, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeouts.Command)
	defer cancel()
	client, err := h.client(ctx)
	if err != nil {
		return nil, &commandError{err: err}
	}
	command, shell, err := h.start(ctx, client)
	if err != nil {
		return nil, &commandError{err: err}
	}
	out, err := exchange(ctx, cancel, command, encodeInput(script(verb), document))
	h.leave(ctx, shell, err != nil) // whatever went wrong may be the shell's fault
	if err != nil {
		return nil, &commandError{ran: true, err: fmt.Errorf("%s: %w", h.address, err)}
	}
	sections, err := decodeOutput(out)
	if err != nil {
		return nil, &commandError{ran: !errors.Is(err, errLostInput), err: fmt.Errorf("%s: %w", h.address, err)}
	}
	return sections, nil
}

// client is the library's view of the server, for one command and its context.
func (h *host) client(ctx context.Context) (*winrm.Client, error) {
	params := winrm.NewParameters(h.operationTimeout(), "en-US", envelope)
	params.TransportDecorator = func() winrm.Transporter { return &transport{ctx: ctx, host: h} }
	// The endpoint serves for nothing but the address inside messages.
	client, err := winrm.NewClientWithParameters(h.endpoint(), h.cfg.User, "", params)
	if err != nil {
		return nil, fmt.Errorf("cannot ask %s: %w", h.address, err)
	}
	return client, nil
}

// start begins a command. Its script comes over standard input, so one that
// was begun without our hearing of it does nothing: where a shell does not take
// a command, it is safe to try once more in a new one.
func (h *host) start(ctx context.Context, client *winrm.Client) (*winrm.Command, *shell, error) {
	for {
		sh, fresh, err := h.enter(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot open a shell on %s: %w", h.address, fault(err))
		}
		command, err := client.NewShell(sh.id).ExecuteWithContext(ctx, CommandLine())
		if err == nil {
			return command, sh, nil
		}
		h.leave(ctx, sh, true)
		if fresh || !sh.wait(ctx) {
			return nil, nil, fmt.Errorf("cannot start a command on %s: %w", h.address, fault(err))
		}
	}
}

// fault puts the server's reason in place of the library's "received error
// response".
func fault(err error) error {
	var answered *winrm.ExecuteCommandError
	if errors.As(err, &answered) {
		if text, _ := faultText(answered.Body); text != "" {
			return errors.New(text)
		}
	}
	return err
}

// shell is a shell on a server. The host's lock open guards it.
type shell struct {
	id    string
	busy  int           // commands in it
	spent bool          // it takes no further command
	gone  chan struct{} // closed when it was taken away on the server
}

// wait reports whether a spent shell went away before the context ended. Until
// then it counts against the user's quota of shells, and every command that was
// ever started in it against that of commands: a new shell would do no better.
func (sh *shell) wait(ctx context.Context) bool {
	select {
	case <-sh.gone:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// enter gives the shell that stands, or a fresh one. Every enter is followed by
// a leave.
func (h *host) enter(ctx context.Context) (sh *shell, fresh bool, err error) {
	if err := h.open.take(ctx); err != nil {
		return nil, false, err
	}
	defer h.open.release()
	if h.shell != nil {
		h.shell.busy++
		return h.shell, false, nil
	}
	params := winrm.NewParameters(h.operationTimeout(), "en-US", envelope)
	request := winrm.NewOpenShellRequest(h.url(), params)
	defer request.Free()
	reply, err := h.post(ctx, request.String())
	if err != nil {
		return nil, false, err
	}
	id, err := winrm.ParseOpenShellResponse(reply)
	if err == nil && id == "" {
		err = errors.New("the answer names no shell")
	}
	if err != nil {
		return nil, false, err
	}
	h.shell = &shell{id: id, busy: 1, gone: make(chan struct{})}
	return h.shell, true, nil
}

// leave ends the use of a shell. One that is broken serves no further command,
// and is taken away by the last to leave it.
func (h *host) leave(ctx context.Context, sh *shell, broken bool) {
	ctx = context.WithoutCancel(ctx)
	_ = h.open.take(ctx) // never fails without a cancel
	defer h.open.release()
	sh.busy--
	sh.spent = sh.spent || broken
	if sh.spent && h.shell == sh {
		h.shell = nil
	}
	if sh.spent && sh.busy == 0 {
		_ = h.remove(ctx, sh) // it is broken, so this may well fail
	}
}

// remove takes a shell away on the server, once.
func (h *host) remove(ctx context.Context, sh *shell) error {
	select {
	case <-sh.gone:
		return nil
	default:
	}
	defer close(sh.gone)
	client, err := h.client(ctx)
	if err != nil {
		return err
	}
	return client.NewShell(sh.id).Close()
}

// exchange feeds a command and reads both its pipes to their end. cancel ends
// the command's context, which is how the library stops one: closing it from
// here as well would race with the library.
func exchange(ctx context.Context, cancel context.CancelFunc, command *winrm.Command, input []byte) ([]byte, error) {
	var (
		out, errs         bytes.Buffer
		sendErr, limitErr error
		wg                sync.WaitGroup
	)
	wg.Go(func() {
		if sendErr = send(command, input); sendErr != nil {
			cancel()
		}
	})
	wg.Go(func() {
		limitErr = drain(&out, command.Stdout, cancel)
	})
	wg.Go(func() { _ = drain(&errs, command.Stderr, cancel) })
	command.Wait()
	wg.Wait()
	stopped := ctx.Err()
	if stopped == nil {
		_ = command.Close() // after a stop the library has done so
	}
	switch {
	case sendErr != nil:
		return nil, fmt.Errorf("cannot send standard input: %w", sendErr)
	case limitErr != nil:
		return nil, limitErr
	case stopped != nil:
		return nil, stopped
	case command.Error() != nil:
		return nil, fault(command.Error())
	case command.ExitCode() != 0:
		return nil, fmt.Errorf("the command ended with code %d: %s", command.ExitCode(), diagnosis(errs.String()))
	}
	return out.Bytes(), nil
}

// send writes standard input in pieces that fit an envelope, and ends it.
func send(command *winrm.Command, input []byte) error {
	for len(input) > 0 {
		n := min(sendChunk, len(input))
		if _, err := command.Stdin.Write(input[:n]); err != nil {
			return err
		}
		input = input[n:]
	}
	return command.Stdin.Close()
}

// drain reads a pipe to its end. Where there is too much it stops the command
// and reads on, for nobody may be left writing.
func drain(to *bytes.Buffer, from io.Reader, stop context.CancelFunc) error {
	n, _ := io.Copy(to, io.LimitReader(from, maxOutput)) // an error ends the pipe; the command knows why
	if n < maxOutput {
		return nil
	}
	stop()
	_, _ = io.Copy(io.Discard, from)
	return fmt.Errorf("the answer is longer than %d MiB", maxOutput>>20)
}

// close takes the shell away on the server, and with it whatever runs in it.
func (h *host) close(ctx context.Context) error {
	if err := h.open.take(ctx); err != nil {
		return err
	}
	defer h.open.release()
	sh := h.shell
	if sh == nil {
		return nil
	}
	h.shell = nil
	return h.remove(ctx, sh)
}
