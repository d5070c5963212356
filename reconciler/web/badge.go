package web

import (
	"html/template"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/provost-dev/provost/reconciler"
)

var badgeSVG = template.Must(template.New("badge").Parse(
	`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="20" role="img" aria-label="{{.Name}}: {{.Text}}">` +
		`<title>{{.Name}}: {{.Text}}</title>` +
		`<rect rx="3" width="{{.Width}}" height="20" fill="#555"/>` +
		`<rect rx="3" x="{{.Split}}" width="{{.Right}}" height="20" fill="{{.Colour}}"/>` +
		`<rect x="{{.Split}}" width="4" height="20" fill="{{.Colour}}"/>` +
		`<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">` +
		`<text x="{{.NameAt}}" y="14">{{.Name}}</text><text x="{{.TextAt}}" y="14">{{.Text}}</text></g></svg>` + "\n"))

var badgeColours = map[reconciler.StatusState]string{
	reconciler.StatusSuccess: "#2f8f46", reconciler.StatusFailed: "#c0392b",
	reconciler.StatusRunning: "#2c77b8", reconciler.StatusPending: "#9f7a11",
}

// badge draws the state of the campus, or of ?project=NAME or ?cohort=NAME.
func (s Site) badge(w http.ResponseWriter, r *http.Request) {
	name, unit := s.Campus, ""
	if q := r.URL.Query().Get("project"); q != "" {
		name, unit = shown(q), "project/"+q
	} else if q := r.URL.Query().Get("cohort"); q != "" {
		name, unit = shown(q), "cohort/"+q
	}
	health := reconciler.Health{State: reconciler.StatusPending, Text: "starting"}
	if last := s.History.Last(); last != nil {
		health = last.Health(unit)
	}
	left, right := width(name), width(health.Text)
	w.Header().Set("Content-Type", "image/svg+xml; charset=utf-8")
	badgeSVG.Execute(w, map[string]any{ //nolint:errcheck // the client went away
		"Name": name, "Text": health.Text, "Colour": badgeColours[health.State],
		"Width": left + right, "Split": left, "Right": right, "NameAt": left / 2, "TextAt": left + right/2,
	})
}

// shown is what was asked for, as far as XML and a badge have room for it.
func shown(name string) string {
	const most = 64 // a unit's name has 63 letters at most
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name))
	if len(runes) > most {
		runes = append(runes[:most-1], '…')
	}
	return string(runes)
}

// width is about how wide a text is in pixels at 11 px, with its margins.
func width(s string) int { return 7*utf8.RuneCountInString(s) + 12 }
