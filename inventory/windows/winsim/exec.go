package winsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// program is what a command line comes to.
type program struct {
	failed bool // it ends at once, with stderr and exit code 1
	stderr string
}

const (
	maxCmdLine    = 8191  // cmd.exe
	maxCreateLine = 32767 // CreateProcess
)

// load recognises our bootstrap in a command line. Everything else ends as it
// would end on a server that does not have it.
func (s *Server) load(line string, skipCmd bool) (program, *fault) {
	words := strings.Fields(line)
	powershell := len(words) > 0 && isPowerShell(words[0])
	switch {
	case skipCmd && (len(line) > maxCreateLine || !powershell):
		s.tally.reject("program: " + head(line))
		return program{}, faultFileNotFound()
	case !skipCmd && len(line) > maxCmdLine:
		s.tally.reject("command line too long: " + head(line))
		return program{failed: true, stderr: "The command line is too long.\r\n"}, nil
	case !powershell:
		s.tally.reject("program: " + head(line))
		return program{failed: true, stderr: "'" + head(line) + "' is not recognized as an internal or external command,\r\n" +
			"operable program or batch file.\r\n"}, nil
	}
	script, err := encodedCommand(words[1:])
	if err != nil {
		s.tally.reject(err.Error() + ": " + head(line))
		return program{failed: true, stderr: cliXML(err.Error())}, nil
	}
	if got := hashOf(script); got != s.bootstrap {
		s.tally.reject("bootstrap " + got)
		return program{failed: true, stderr: cliXML("The double does not know this -EncodedCommand.")}, nil
	}
	return program{}, nil
}

func isPowerShell(program string) bool {
	program = strings.ToLower(strings.Trim(program, `"`))
	program = strings.TrimPrefix(program, `c:\windows\system32\windowspowershell\v1.0\`)
	return program == "powershell" || program == "powershell.exe"
}

// encodedCommand finds the script of -EncodedCommand among the arguments. A
// switch may be shortened as PowerShell allows.
func encodedCommand(args []string) ([]byte, error) {
	for i, arg := range args {
		name := strings.ToLower(strings.TrimLeft(arg, "-/"))
		if name == "" || name == arg || (name != "ec" && !strings.HasPrefix("encodedcommand", name)) || i+1 == len(args) {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(strings.Trim(args[i+1], `"`))
		if err != nil || len(raw)%2 != 0 {
			return nil, fmt.Errorf("the -EncodedCommand is not base64 of UTF-16")
		}
		return []byte(fromUTF16(raw)), nil
	}
	return nil, fmt.Errorf("there is no -EncodedCommand")
}

// feed adds to a command's standard input. With the last piece the script is
// known, and runs; that is where the faults of a verb strike.
func (s *Server) feed(c *command, data []byte, last bool) (status int, f *fault) {
	s.shells.mu.Lock()
	defer s.shells.mu.Unlock()
	if c.done || c.stdinDone {
		return 0, faultPipeClosed()
	}
	if !last {
		c.stdin.Write(data)
		return 0, nil
	}
	job := s.unpack(append(c.stdin.Bytes(), data...))
	struck := s.strikeVerb(job)
	switch {
	case struck == nil:
	case struck.Kind == Refuse:
		return struck.Status, nil
	case struck.Kind == Fault500:
		return 0, faultInternal()
	case struck.Kind == DropBefore:
		panic(http.ErrAbortHandler)
	case struck.Kind == LoseStdin:
		job = s.unpack(nil)
	}
	c.stdinDone = true
	c.dropOnce = struck != nil && struck.Kind == DropAnswer
	if hangs := struck != nil && struck.Kind == Hang; !hangs && !s.shells.closed {
		s.jobs.Go(func() { s.run(c, job, struck) })
	}
	return 0, nil
}

// strikeVerb asks for a fault once it is known which verb is meant.
func (s *Server) strikeVerb(j job) *Fault {
	if j.verb == "" {
		return nil
	}
	return s.faults.verb(j.verb)
}

// run does the job after the latency, unless the command is ended meanwhile.
func (s *Server) run(c *command, j job, struck *Fault) {
	if s.opts.Latency > 0 {
		wait := time.NewTimer(s.opts.Latency)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-c.gone:
			return
		}
	}
	out, stderr, exit := s.execute(c.user, j, struck)
	s.shells.mu.Lock()
	defer s.shells.mu.Unlock()
	if !c.done {
		c.finish(out, stderr, exit)
	}
}

// cliXML is how Windows PowerShell writes an error to a redirected stderr.
func cliXML(text string) string {
	line := strings.NewReplacer("\r\n", "_x000D__x000A_", "\n", "_x000A_").Replace(escape(text))
	return "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">" +
		"<S S=\"Error\">" + line + "_x000D__x000A_</S></Objs>"
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func head(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
