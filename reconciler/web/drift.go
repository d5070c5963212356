package web

import (
	"net/http"

	"github.com/provost-dev/provost/reconciler"
)

// drift shows what is not as declared though no commit asked for that, and what
// is written and waits for a machine's next start, as the last pass saw it.
func (s Site) drift(w http.ResponseWriter, _ *http.Request) {
	s.render(w, "drift", struct {
		Site Site
		Pass *reconciler.Pass
	}{s, s.History.Last()})
}
