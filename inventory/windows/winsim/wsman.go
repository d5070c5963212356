package winsim

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// answer serves one WS-Management message of a user who is logged in.
func (s *Server) answer(ctx context.Context, user *User, body []byte) (status int, reply []byte) {
	s.tally.message()
	if len(body) > s.opts.MaxEnvelope {
		return http.StatusInternalServerError, faultEnvelopeLimit(s.opts.MaxEnvelope).encode(s.opts.Name, "")
	}
	r, f := parseRequest(body)
	if f != nil {
		s.log.Info("message refused", "server", s.opts.Name, "error", f.text)
		return http.StatusInternalServerError, f.encode(s.opts.Name, r.messageID)
	}
	struck := s.faults.message(r.name)
	if status := misbehave(ctx, struck); status != 0 {
		return status, nil
	}
	if struck != nil && struck.Kind == Fault500 {
		return http.StatusInternalServerError, faultInternal().encode(s.opts.Name, r.messageID)
	}
	content, status, f := s.dispatch(ctx, user, r)
	switch {
	case struck != nil && struck.Kind == DropAnswer:
		panic(http.ErrAbortHandler)
	case f != nil:
		return http.StatusInternalServerError, f.encode(s.opts.Name, r.messageID)
	case status != 0:
		return status, nil
	}
	return http.StatusOK, encodeReply(r.action+"Response", r.messageID, content)
}

// misbehave acts out what a fault does before anything is done. It gives the
// HTTP status to answer with, or 0 to go on.
func misbehave(ctx context.Context, f *Fault) int {
	if f == nil {
		return 0
	}
	switch f.Kind {
	case Refuse:
		return f.Status
	case DropBefore:
		panic(http.ErrAbortHandler)
	case Hang:
		<-ctx.Done()
		panic(http.ErrAbortHandler)
	}
	return 0
}

// dispatch gives the body of the answer, or an HTTP status without a body
// where a fault wants that, or a fault.
func (s *Server) dispatch(ctx context.Context, user *User, r *request) (string, int, *fault) {
	if r.name == "Create" {
		content, f := s.create(user, r)
		return content, 0, f
	}
	sh, f := s.shells.use(user, r.shellID)
	if f != nil {
		return "", 0, f
	}
	defer s.shells.release(sh)
	var content string
	var status int
	switch r.name {
	case "Command":
		content, f = s.startCommand(sh, r)
	case "Receive":
		content, f = s.receive(ctx, sh, r)
	case "Send":
		content, status, f = s.send(sh, r)
	case "Signal":
		content, f = s.signal(sh, r)
	case "Delete":
		s.shells.closeShell(sh)
	}
	return content, status, f
}

func (s *Server) create(user *User, r *request) (string, *fault) {
	b := r.body.Shell
	switch {
	case b == nil:
		return "", faultBody("Create without a Shell")
	case strings.TrimSpace(b.InputStreams) != "stdin":
		return "", faultBody("InputStreams other than stdin")
	case strings.Join(strings.Fields(b.OutputStreams), " ") != "stdout stderr":
		return "", faultBody("OutputStreams other than stdout stderr")
	}
	idle := s.opts.IdleTimeout
	if b.IdleTimeout != "" {
		d, err := parseDuration(b.IdleTimeout)
		if err != nil || d <= 0 {
			return "", faultParameter("IdleTimeOut")
		}
		idle = d
	}
	sh, f := s.shells.open(user, idle, s.opts.MaxShells)
	if f != nil {
		return "", f
	}
	return fmt.Sprintf(`<x:ResourceCreated><a:Address>%[1]s</a:Address><a:ReferenceParameters><w:ResourceURI>%[2]s</w:ResourceURI>`+
		`<w:SelectorSet><w:Selector Name="ShellId">%[3]s</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>`+
		`<rsp:Shell><rsp:ShellId>%[3]s</rsp:ShellId><rsp:ResourceUri>%[2]s</rsp:ResourceUri><rsp:Owner>%[4]s</rsp:Owner>`+
		`<rsp:IdleTimeOut>%[5]s</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>`,
		escape(s.URL()), resourceCmd, sh.id, escape(s.dom.netBIOS()+`\`+user.Name), formatDuration(idle)), nil
}

func (s *Server) startCommand(sh *shell, r *request) (string, *fault) {
	b := r.body.CommandLine
	if b == nil {
		return "", faultBody("Command without a CommandLine")
	}
	line := strings.TrimSpace(b.Command + " " + strings.Join(b.Arguments, " "))
	skipCmd := strings.EqualFold(r.options["WINRS_SKIP_CMD_SHELL"], "TRUE")
	p, f := s.load(line, skipCmd)
	if f != nil {
		return "", f
	}
	c := newCommand(sh.user, p, strings.EqualFold(r.options["WINRS_CONSOLEMODE_STDIN"], "TRUE"))
	if f := s.shells.start(sh, c, s.opts); f != nil {
		return "", f
	}
	if p.failed {
		s.shells.mu.Lock()
		c.finish("", p.stderr, 1)
		s.shells.mu.Unlock()
	}
	return `<rsp:CommandResponse><rsp:CommandId>` + c.id + `</rsp:CommandId></rsp:CommandResponse>`, nil
}

// send takes standard input. The last piece starts the script.
func (s *Server) send(sh *shell, r *request) (string, int, *fault) {
	const reply = `<rsp:SendResponse/>`
	if r.body.Send == nil || len(r.body.Send.Streams) == 0 {
		return "", 0, faultBody("Send without a Stream")
	}
	for _, st := range r.body.Send.Streams {
		if st.Name != "stdin" {
			return "", 0, faultParameter("stream " + st.Name)
		}
		c, f := s.shells.command(sh, st.CommandID)
		if f != nil {
			return "", 0, f
		}
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(st.Data), ""))
		if err != nil {
			return "", 0, faultBody("a Stream that is not base64")
		}
		if status, f := s.feed(c, data, st.End); f != nil || status != 0 {
			return "", status, f
		}
	}
	return reply, 0, nil
}

// receive waits for output or the end, at most for the operation's timeout.
func (s *Server) receive(ctx context.Context, sh *shell, r *request) (string, *fault) {
	b := r.body.Receive
	if b == nil {
		return "", faultBody("Receive without a DesiredStream")
	}
	for name := range strings.FieldsSeq(b.DesiredStream.Streams) {
		if name != "stdout" && name != "stderr" {
			return "", faultParameter("stream " + name)
		}
	}
	c, f := s.shells.command(sh, b.DesiredStream.CommandID)
	if f != nil {
		return "", f
	}
	limit := s.opts.MaxEnvelope
	if r.maxEnvelope > 0 {
		limit = min(limit, r.maxEnvelope)
	}
	timeout := time.NewTimer(r.timeout)
	defer timeout.Stop()
	for {
		content, changed := s.output(c, limit)
		if content != "" {
			return content, nil
		}
		select {
		case <-changed:
		case <-c.gone:
			return "", faultAborted()
		case <-timeout.C:
			return "", faultTimedOut()
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// output takes what fits into one envelope, or gives the channel to wait on.
func (s *Server) output(c *command, limit int) (string, <-chan struct{}) {
	s.shells.mu.Lock()
	defer s.shells.mu.Unlock()
	if len(c.out)+len(c.err) == 0 && !c.done {
		return "", c.changed
	}
	const headers = 3000 // what the envelope takes beside the output
	room := (limit - headers) / 4 * 3
	var b strings.Builder
	for _, p := range []struct {
		name string
		left *[]byte
	}{{"stdout", &c.out}, {"stderr", &c.err}} {
		n := min(room, len(*p.left))
		if n > 0 {
			fmt.Fprintf(&b, `<rsp:Stream Name="%s" CommandId="%s">%s</rsp:Stream>`, p.name, c.id, base64.StdEncoding.EncodeToString((*p.left)[:n]))
		}
		*p.left, room = bytes.Clone((*p.left)[n:]), room-n
	}
	state := fmt.Sprintf(`<rsp:CommandState CommandId="%s" State="%s"/>`, c.id, stateRuns)
	if c.done && len(c.out)+len(c.err) == 0 {
		fmt.Fprintf(&b, `<rsp:Stream Name="stdout" CommandId="%[1]s" End="true"/><rsp:Stream Name="stderr" CommandId="%[1]s" End="true"/>`, c.id)
		state = fmt.Sprintf(`<rsp:CommandState CommandId="%s" State="%s"><rsp:ExitCode>%d</rsp:ExitCode></rsp:CommandState>`, c.id, stateDone, c.exit)
	}
	if c.dropOnce {
		c.dropOnce = false
		panic(http.ErrAbortHandler)
	}
	return `<rsp:ReceiveResponse>` + b.String() + state + `</rsp:ReceiveResponse>`, nil
}

func (s *Server) signal(sh *shell, r *request) (string, *fault) {
	b := r.body.Signal
	if b == nil {
		return "", faultBody("Signal without a Code")
	}
	c, f := s.shells.command(sh, b.CommandID)
	if f != nil {
		return "", f
	}
	switch code, _ := strings.CutPrefix(strings.TrimSpace(b.Code), nsShell+"/signal/"); strings.ToLower(code) {
	case "terminate":
		s.shells.close(sh, c)
	case "ctrl_c", "ctrl_break":
		s.interrupt(c)
	default:
		return "", faultParameter("signal " + b.Code)
	}
	return `<rsp:SignalResponse/>`, nil
}

// interrupt ends the process but leaves its exit code to be fetched.
func (s *Server) interrupt(c *command) {
	s.shells.mu.Lock()
	defer s.shells.mu.Unlock()
	if !c.done {
		const controlC = -1073741510 // STATUS_CONTROL_C_EXIT
		c.finish("", "", controlC)
	}
}
