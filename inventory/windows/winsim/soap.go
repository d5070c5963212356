package winsim

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The names of WS-Management that a shell needs.
const (
	nsSOAP       = "http://www.w3.org/2003/05/soap-envelope"
	nsAddressing = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsTransfer   = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
	nsWSMan      = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
	nsShell      = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
	nsFault      = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"

	anonymous   = nsAddressing + "/role/anonymous"
	resourceCmd = nsShell + "/cmd"
	stateDone   = nsShell + "/CommandState/Done"
	stateRuns   = nsShell + "/CommandState/Running"
)

// actions are the messages that a shell takes, by the last part of their URI.
var actions = map[string]string{
	nsTransfer + "/Create": "Create",
	nsTransfer + "/Delete": "Delete",
	nsShell + "/Command":   "Command",
	nsShell + "/Receive":   "Receive",
	nsShell + "/Send":      "Send",
	nsShell + "/Signal":    "Signal",
}

// request is one WS-Management message, read and checked.
type request struct {
	name        string // Create, Command, …
	action      string
	messageID   string
	shellID     string
	maxEnvelope int           // 0: the client set no limit
	timeout     time.Duration // of the operation
	options     map[string]string
	body        soapBody
}

type soapEnvelope struct {
	XMLName xml.Name   `xml:"http://www.w3.org/2003/05/soap-envelope Envelope"`
	Header  soapHeader `xml:"http://www.w3.org/2003/05/soap-envelope Header"`
	Body    *soapBody  `xml:"http://www.w3.org/2003/05/soap-envelope Body"`
}

type soapHeader struct {
	To      string `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing To"`
	ReplyTo struct {
		Address string `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing Address"`
	} `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing ReplyTo"`
	Action           string   `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing Action"`
	MessageID        string   `xml:"http://schemas.xmlsoap.org/ws/2004/08/addressing MessageID"`
	ResourceURI      string   `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd ResourceURI"`
	MaxEnvelopeSize  string   `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd MaxEnvelopeSize"`
	OperationTimeout string   `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd OperationTimeout"`
	Locale           struct{} `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd Locale"`
	DataLocale       struct{} `xml:"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd DataLocale"`
	SessionID        struct{} `xml:"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd SessionId"`
	Selectors        struct {
		Selector []named `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd Selector"`
	} `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd SelectorSet"`
	Options struct {
		Option []named `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd Option"`
	} `xml:"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd OptionSet"`
	Others []struct {
		XMLName        xml.Name
		MustUnderstand string `xml:"mustUnderstand,attr"`
	} `xml:",any"`
}

type named struct {
	Name  string `xml:"Name,attr"`
	Value string `xml:",chardata"`
}

type soapBody struct {
	Shell *struct {
		InputStreams  string `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell InputStreams"`
		OutputStreams string `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell OutputStreams"`
		IdleTimeout   string `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell IdleTimeOut"`
	} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Shell"`
	CommandLine *struct {
		Command   string   `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Command"`
		Arguments []string `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Arguments"`
	} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell CommandLine"`
	Receive *struct {
		DesiredStream struct {
			CommandID string `xml:"CommandId,attr"`
			Streams   string `xml:",chardata"`
		} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell DesiredStream"`
	} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Receive"`
	Send *struct {
		Streams []stream `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Stream"`
	} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Send"`
	Signal *struct {
		CommandID string `xml:"CommandId,attr"`
		Code      string `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Code"`
	} `xml:"http://schemas.microsoft.com/wbem/wsman/1/windows/shell Signal"`
}

type stream struct {
	Name      string `xml:"Name,attr"`
	CommandID string `xml:"CommandId,attr"`
	End       bool   `xml:"End,attr"`
	Data      string `xml:",chardata"`
}

// parseRequest reads a message. Where it is not one, the fault says so; the
// request is then given as far as it was understood, for RelatesTo.
func parseRequest(body []byte) (*request, *fault) {
	r := &request{}
	var env soapEnvelope
	if err := decodeXML(body, &env); err != nil {
		return r, faultInvalidXML(err)
	}
	h := env.Header
	r.messageID, r.action = h.MessageID, h.Action
	for _, other := range h.Others {
		if other.MustUnderstand == "true" || other.MustUnderstand == "1" {
			return r, faultMustUnderstand(other.XMLName.Local)
		}
	}
	if h.To == "" || h.Action == "" || h.MessageID == "" || h.ReplyTo.Address != anonymous || env.Body == nil {
		return r, faultMissingHeader()
	}
	if h.ResourceURI != resourceCmd {
		return r, faultResourceURI(h.ResourceURI)
	}
	if r.name = actions[h.Action]; r.name == "" {
		return r, faultAction(h.Action)
	}
	r.body = *env.Body
	if f := r.readLimits(h); f != nil {
		return r, f
	}
	return r, r.readSelectors(h)
}

// decodeXML wants one element, no document type, nothing behind it.
func decodeXML(body []byte, into *soapEnvelope) error {
	if bytes.Contains(body, []byte("<!DOCTYPE")) {
		return errors.New("a document type is not allowed")
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return err
	}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if text, ok := token.(xml.CharData); !ok || len(bytes.TrimSpace(text)) > 0 {
			return errors.New("something follows the envelope")
		}
	}
}

const (
	minEnvelope    = 8192
	defaultTimeout = 60 * time.Second
)

func (r *request) readLimits(h soapHeader) *fault {
	if h.MaxEnvelopeSize != "" {
		n, err := strconv.Atoi(strings.TrimSpace(h.MaxEnvelopeSize))
		if err != nil || n < minEnvelope {
			return faultMinEnvelope()
		}
		r.maxEnvelope = n
	}
	r.timeout = defaultTimeout
	if h.OperationTimeout != "" {
		d, err := parseDuration(h.OperationTimeout)
		if err != nil {
			return faultTimeoutHeader()
		}
		r.timeout = d
	}
	return nil
}

func (r *request) readSelectors(h soapHeader) *fault {
	r.options = map[string]string{}
	for _, o := range h.Options.Option {
		r.options[o.Name] = o.Value
	}
	for _, s := range h.Selectors.Selector {
		if s.Name != "ShellId" || r.shellID != "" {
			return faultSelectors()
		}
		r.shellID = s.Value
	}
	if (r.shellID == "") != (r.name == "Create") {
		return faultSelectors()
	}
	return nil
}

var durationForm = regexp.MustCompile(`^P(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,6})?)S)?)?$`)

// parseDuration reads an xs:duration without years and months.
func parseDuration(s string) (time.Duration, error) {
	m := durationForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil || strings.HasSuffix(s, "T") || s == "P" {
		return 0, fmt.Errorf("cannot read duration %q", s)
	}
	var total float64
	for i, unit := range []float64{24 * 3600, 3600, 60, 1} {
		if m[i+1] != "" {
			n, err := strconv.ParseFloat(m[i+1], 64)
			if err != nil {
				return 0, fmt.Errorf("cannot read duration %q: %w", s, err)
			}
			total += n * unit
		}
	}
	return time.Duration(total * float64(time.Second)), nil
}

// formatDuration is what Windows prints: "PT180.000S".
func formatDuration(d time.Duration) string { return fmt.Sprintf("PT%.3fS", d.Seconds()) }

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// encodeReply is an envelope with the headers of an answer to r.
func encodeReply(action, relatesTo, body string) []byte {
	return []byte(`<s:Envelope xml:lang="en-US" xmlns:s="` + nsSOAP + `" xmlns:a="` + nsAddressing + `" xmlns:x="` + nsTransfer +
		`" xmlns:w="` + nsWSMan + `" xmlns:rsp="` + nsShell + `"><s:Header><a:Action>` + escape(action) +
		`</a:Action><a:MessageID>uuid:` + newGUID() + `</a:MessageID><a:To>` + anonymous + `</a:To><a:RelatesTo>` +
		escape(relatesTo) + `</a:RelatesTo></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`)
}
