package windows

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const cliXML = "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">" +
	"<Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>System.Management.Automation.PSCustomObject</T></TN><MS><I64 N=\"SourceId\">1</I64></MS></Obj>" +
	"<S S=\"Error\">L'accès est refusé._x000D__x000A_</S><S S=\"Warning\">no</S><S S=\"Error\">+ &lt;here&gt;_x000D__x000A_</S></Objs>"

func TestDiagnosis(t *testing.T) {
	for in, want := range map[string]string{
		cliXML:                         "L'accès est refusé. + <here>",
		cliXML[:len(cliXML)-40]:        "L'accès est refusé.",
		"plain\r\n  text\n":            "plain text",
		"":                             "",
		"#< CLIXML":                    "",
		"#< CLIXML\n<Objs><S S='Error": "",
		strings.Repeat("é", 400):       strings.Repeat("é", 299) + "…",
		"a\xffb":                       "a?b",
	} {
		if got := diagnosis(in); got != want {
			t.Errorf("diagnosis(%.60q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzDiagnosis(f *testing.F) {
	f.Add(cliXML)
	f.Add("#< CLIXML\r\n<Objs><S S=\"Error\">_xD800__xZZZZ_</S></Objs>")
	f.Add("plain")
	f.Fuzz(func(t *testing.T, in string) {
		got := diagnosis(in)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 300 || strings.ContainsAny(got, "\r\n") {
			t.Errorf("diagnosis(%q) = %q", in, got)
		}
	})
}

const soapFault = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault">` +
	`<s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang="fr-FR">Le quota est atteint.  </s:Text></s:Reason>` +
	`<s:Detail><f:WSManFault Code="2150859174" Machine="dc1"><f:Message>x</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>`

func TestFaultText(t *testing.T) {
	if text, code := faultText(soapFault); text != "Le quota est atteint." || code != "2150859174" {
		t.Errorf("%q, %q", text, code)
	}
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{500, soapFault, "the server answers HTTP 500: Le quota est atteint."},
		{500, strings.Replace(soapFault, "2150859174", "2150858793", 1), "OperationTimeout: the server had nothing to tell"},
		{500, "<w:TimedOut/><s:Value>w:TimedOut</s:Value>", "OperationTimeout: the server had nothing to tell"},
		{401, "", "the server refuses the login (HTTP 401)"},
		{503, "<html>busy", "the server answers HTTP 503"},
	} {
		if got := (&httpError{status: c.status, body: c.body}).Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func FuzzFaultText(f *testing.F) {
	f.Add(soapFault)
	f.Add("<a><Text>x")
	f.Fuzz(func(t *testing.T, body string) {
		if text, _ := faultText(body); utf8.RuneCountInString(text) > 300 || strings.ContainsAny(text, "\r\n") {
			t.Errorf("faultText(%q) = %q", body, text)
		}
	})
}
