package web

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

//go:embed page.html
var pageHTML string

var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"when":  func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
	"short": func(s string) string { return s[:min(len(s), 12)] },
}).Parse(pageHTML))

// index lists the passes that are kept, newest first.
func (s Site) index(w http.ResponseWriter, _ *http.Request) {
	s.render(w, "index", struct {
		Site   Site
		Passes []*reconciler.Pass
	}{s, s.History.All()})
}

// pass shows one pass, found by its ID or by its commit, as a page or, where
// the address ends in .json or the client asks for it, as JSON.
func (s Site) pass(w http.ResponseWriter, r *http.Request) {
	id, asJSON := strings.CutSuffix(r.PathValue("id"), ".json")
	asJSON = asJSON || strings.Contains(r.Header.Get("Accept"), "application/json")
	pass, ok := s.History.Find(id)
	switch {
	case !ok:
		http.Error(w, "no such pass is kept; /passes lists those that are", http.StatusNotFound)
	case asJSON:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.Encode(pass) //nolint:errcheck // the client went away
	default:
		s.render(w, "pass", struct {
			Site Site
			Pass *reconciler.Pass
		}{s, pass})
	}
}

// render writes a page whole or not at all.
func (s Site) render(w http.ResponseWriter, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		http.Error(w, "cannot show this page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page.Bytes()) //nolint:errcheck // the client went away
}
