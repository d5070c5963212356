package web

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/untrusted"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// hostile has a text wherever a pass has room for somebody else's.
func hostile(text string) *reconciler.Pass {
	key := inventory.Key("cri/guest/" + text)
	owner := inventory.Owner{Campus: "isima", File: text, Unit: "cohort/" + text, Student: text}
	problems := []projects.Problem{{File: text, Line: 1, Column: 1, Message: text, Hint: text, Excerpt: text, Owner: owner}}
	violations := []reconciler.Violation{{Rule: text, Title: text, Level: reconciler.LevelDeny, Message: text, Owner: owner}}
	statuses := []reconciler.Status{{Context: reconciler.ContextPlan, State: reconciler.StatusFailed, Description: text}}
	change := inventory.Change{Key: key, Action: inventory.Update, Fields: []string{text}, Owner: owner, Note: text,
		Before: &inventory.Resource{Key: key, Attrs: inventory.Attrs{text: text}}, After: &inventory.Resource{Key: key, Attrs: inventory.Attrs{text: text}}}
	p := plan.Plan{
		Steps: []plan.Step{{Change: change, Gate: plan.GateGuard, Reason: text}},
		Held:  &plan.Held{Count: 1, Hash: text},
		Kept:  []plan.Kept{{Key: key, Owner: owner, Since: text, Until: text}},
	}
	return ended(func(pass *reconciler.Pass) {
		pass.Branch, pass.Author, pass.Subject, pass.Error, pass.Plan = text, text, text, text, p
		pass.Refused = []reconciler.Refusal{{Commit: text, Reason: text}}
		pass.Problems, pass.Violations, pass.Statuses = problems, violations, statuses
		pass.Unknown = []inventory.Unknown{{Prefix: key, Reason: text}}
		pass.Results = []reconciler.Result{{Outcome: inventory.Outcome{Key: key, State: inventory.StateFailed, Error: text}, Action: inventory.Create}}
		pass.Proposals = []reconciler.ProposalPass{{
			ID: text, Title: text, URL: text, Commit: text, Problem: text, Plan: p, Problems: problems, Violations: violations, Statuses: statuses,
		}}
		pass.Units = map[string]int{"project/" + text: 1}
	})
}

// Whatever the campus holds, a page has the same elements with the same
// attributes, and shows the text as text.
func TestUntrustedTextsOnPages(t *testing.T) {
	plainSite := site(hostile("harmless"))
	for _, path := range []string{"/", "/passes/p1"} {
		_, body, _ := get(t, plainSite, path)
		want, _ := elements(t, body)
		for _, u := range untrusted.Texts() {
			code, body, header := get(t, site(hostile(u.Text)), path)
			got, text := elements(t, body)
			if code != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html; charset=utf-8") {
				t.Fatalf("%s: %d, %v", u.Name, code, header)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s has other elements: %v", u.Name, path, firstDifference(got, want))
			}
			if !strings.Contains(plainText(text), plainText(u.Text)) {
				t.Errorf("%s: %s does not show it", u.Name, path)
			}
		}
	}
}

func TestUntrustedTextsAsJSON(t *testing.T) {
	for _, u := range untrusted.Texts() {
		_, body, _ := get(t, site(hostile(u.Text)), "/passes/p1.json")
		var read reconciler.Pass
		if err := json.Unmarshal([]byte(body), &read); err != nil {
			t.Errorf("%s: %v", u.Name, err)
		}
		if !strings.Contains(u.Name, "UTF-8") && !strings.Contains(u.Name, "pair") && read.Subject != u.Text {
			t.Errorf("%s: became %q", u.Name, read.Subject)
		}
		if strings.ContainsAny(body, "<>") {
			t.Errorf("%s: a browser that guesses would find an element", u.Name)
		}
	}
}

// A badge is drawn for whoever asks, so its query is the most untrusted of all.
func TestUntrustedTextsOnBadges(t *testing.T) {
	for _, u := range untrusted.Texts() {
		for _, key := range []string{"project", "cohort"} {
			code, body, _ := get(t, site(hostile(u.Text)), "/badge.svg?"+url.Values{key: {u.Text}}.Encode())
			if code != 200 || len(body) > 4<<10 {
				t.Errorf("%s: %d, %d bytes", u.Name, code, len(body))
			}
			if err := wellFormed(body); err != nil || strings.Count(body, "<") != 13 {
				t.Errorf("%s: no badge: %v\n%s", u.Name, err, body)
			}
			if r := untrusted.Obeyed(body); r >= 0 {
				t.Errorf("%s: %U stands in the badge", u.Name, r)
			}
		}
	}
}

// Nobody's text becomes a metric, a header or a path.
func TestUntrustedTextsElsewhere(t *testing.T) {
	for _, u := range untrusted.Texts() {
		s := site(hostile(u.Text))
		h := Handler(s)
		for _, path := range []string{"/passes/" + url.PathEscape(u.Text), "/" + url.PathEscape(u.Text), "/passes?x=" + url.QueryEscape(u.Text)} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			for name, values := range w.Result().Header {
				if all := strings.Join(values, ""); strings.ContainsAny(all, "\r\n") || name == "Set-Cookie" {
					t.Errorf("%s: the header %s is %q", u.Name, name, all)
				}
			}
			if body := w.Body.String(); w.Code != 200 && len(body) > 200 {
				t.Errorf("%s: the error is %q", u.Name, body)
			}
		}
		_, body, _ := get(t, s, "/metrics")
		if u.Name != "harmless" && len(u.Text) > 3 && strings.Contains(body, u.Text) || strings.Contains(body, "provost_passes_total 99") {
			t.Errorf("%s: stands in the metrics", u.Name)
		}
	}
}

// elements are a page's elements and their attributes' names, and all its text.
func elements(t *testing.T, page string) (tags []string, text string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(page))
	var b strings.Builder
	for {
		switch z.Next() {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				t.Fatal(z.Err())
			}
			return tags, b.String()
		case html.TextToken:
			b.Write(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			tag := token.Data
			for _, a := range token.Attr {
				tag += " " + a.Key
				if a.Key == "href" && !strings.HasPrefix(a.Val, "/") {
					tag += "=" + a.Val
				}
			}
			tags = append(tags, tag)
		case html.CommentToken:
			tags = append(tags, "comment")
		}
	}
}

func firstDifference(a, b []string) []string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return []string{a[i], b[i]}
		}
	}
	return nil
}

// plainText leaves out what a browser may: blanks, NUL, and what is no text.
func plainText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(html.UnescapeString(html.EscapeString(s)), ""), "\x00", "")
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "\ufffd", "")), " ")
}

func wellFormed(s string) error {
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
