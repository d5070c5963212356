package winsim

import (
	"bytes"
	"testing"

	"github.com/masterzen/winrm"

	bodgit "github.com/bodgit/ntlmssp"
)

func FuzzParseRequest(f *testing.F) {
	p := winrm.NewParameters("PT60S", "en-US", 153600)
	for _, m := range []string{
		winrm.NewOpenShellRequest("https://x/wsman", p).String(),
		winrm.NewExecuteCommandRequest("https://x/wsman", "S", "hostname", []string{"a"}, p).String(),
		winrm.NewSendInputRequest("https://x/wsman", "S", "C", []byte("x"), true, p).String(),
		winrm.NewGetOutputRequest("https://x/wsman", "S", "C", "stdout stderr", p).String(),
		winrm.NewSignalRequest("https://x/wsman", "S", "C", p).String(),
		winrm.NewDeleteShellRequest("https://x/wsman", "S", p).String(),
	} {
		f.Add([]byte(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, fault := parseRequest(b)
		if fault != nil {
			// Whatever the client wrote, the fault is a document.
			if err := decodeXML(fault.encode("dc1", r.messageID), new(soapEnvelope)); err != nil {
				t.Errorf("the fault is no XML: %v", err)
			}
			return
		}
		if r.name == "" || r.messageID == "" || (r.shellID == "") != (r.name == "Create") || r.timeout < 0 {
			t.Errorf("accepted %+v", r)
		}
	})
}

func FuzzNTLM(f *testing.F) {
	nc, err := bodgit.NewClient(bodgit.SetUserInfo("alice", alicePassword), bodgit.SetDomain("ETU"), bodgit.SetVersion(bodgit.DefaultVersion()))
	if err != nil {
		f.Fatal(err)
	}
	first, err := nc.Authenticate(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	c := &acceptorConfig{users: map[string]*User{"alice": &alice}, netBIOS: "ETU", dnsDomain: "etu.isima.fr", computer: "dc1"}
	h, err := c.start(first)
	if err != nil {
		f.Fatal(err)
	}
	third, err := nc.Authenticate(h.message, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first)
	f.Add(third)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := c.start(b); err == nil && ntlmType(b) != 1 {
			t.Errorf("%x is no negotiate message", b)
		}
		user, _, err := c.finish(h, b)
		if err == nil && (user == nil || ntlmType(b) != 3) {
			t.Errorf("%x logged in", b)
		}
		parseClientBlob(b)
	})
}

func FuzzDecodeSealed(f *testing.F) {
	f.Add(encodeSealed([]byte("\x10\x00\x00\x00 sealed"), 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		sealed, length, err := decodeSealed(b)
		if err == nil && (length < 0 || !bytes.Contains(b, sealed)) {
			t.Errorf("decoded %q, %d", sealed, length)
		}
	})
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add(frame(testList, listAll))
	f.Fuzz(func(t *testing.T, b []byte) {
		script, document, err := decodeFrame(b)
		if err == nil && len(script)+len(document) > len(b) {
			t.Errorf("decoded %q, %q", script, document)
		}
	})
}

// A document, whatever it says, neither panics nor changes what is not ours.
func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"changes":[` + recordJSON("192.168.25.7", "192.168.25.8", false) + `]}`))
	f.Add([]byte(`{"changes":[` + reservationJSON("192.168.25.9", "192.168.25.10", "bc-24-11-00-00-01", false) + `]}`))
	f.Add([]byte(`{"changes":[{"id":"0","kind":"filter","mac":"x","set":{"list":"allow","description":""},"owned":"p","adopt":true}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		s := &Server{dom: NewDomain("etu.isima.fr"), dhcp: newDHCPServer("dc1")}
		s.AddZone("etu.isima.fr")
		if err := s.AddScope(testScope); err != nil {
			t.Fatal(err)
		}
		x := &session{server: s, user: &alice}
		before := s.Digest()
		if err := x.apply(document); err != nil && s.Digest() != before {
			t.Errorf("%v, but something changed", err)
		}
		if _, err := parseOutput(x.answer.text()); err != nil {
			t.Error(err)
		}
	})
}
