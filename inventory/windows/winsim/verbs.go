package winsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// session is one run of a script: who runs it, on which server, and the fault
// that may strike it. The domain's lock is held while it lives.
type session struct {
	server *Server
	user   *User
	fault  *Fault // FailItem, or nil
	answer answer
}

// verb runs one script of ours. An error means that the document was not one
// that the script can take.
func (x *session) verb(name string, document []byte) error {
	switch name {
	case "list":
		return x.list(document)
	case "apply":
		return x.apply(document)
	}
	return fmt.Errorf("the double has no verb %q", name)
}

// execute is what the process prints, and its exit code.
func (s *Server) execute(user *User, j job, struck *Fault) (stdout, stderr string, exit int) {
	switch {
	case j.unknown != "":
		s.tally.reject("script " + j.unknown)
		return "", cliXML("The double does not know the script " + j.unknown + "."), 1
	case j.damage != "":
		var a answer
		a.fail("fault", "frame", &sectionError{"provost frame", "InvalidData", j.damage})
		return a.text(), "", 0
	}
	s.tally.command(j.verb)
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	x := &session{server: s, user: user}
	if struck != nil && struck.Kind == FailItem {
		x.fault = struck
	}
	if err := x.verb(j.verb, j.document); err != nil {
		s.tally.reject(j.verb + ": " + err.Error())
		x.answer.fail("fault", "script", &sectionError{"provost document", "InvalidData", err.Error()})
	}
	return x.answer.text(), "", 0
}

// decodeDocument is strict, so that a field that only one side knows is found.
func decodeDocument(document []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("the document is not as the contract says: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the document")
	}
	return nil
}

// forced is the error that a test wants for an item, or nil.
func (x *session) forced(item string) *cmdletError {
	if x.fault == nil || (x.fault.Item != "" && x.fault.Item != item) {
		return nil
	}
	return errorFor(x.fault.ErrorID)
}

func (x *session) mayDNS() bool { return slices.Contains(x.user.Groups, DNSAdmins) }

func (x *session) mayWriteDHCP() bool { return slices.Contains(x.user.Groups, DHCPAdministrators) }

func (x *session) mayReadDHCP() bool {
	return x.mayWriteDHCP() || slices.Contains(x.user.Groups, DHCPUsers)
}
