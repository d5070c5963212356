package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects/example"
	"github.com/provost-dev/provost/reconciler"
)

// invite prints what can be tried, to be copied as it stands: the clone brings
// the name that a commit needs.
func (d *demo) invite(logFile string) {
	w := d.terminal.out
	fmt.Fprintf(w, `
The campus is up. In another terminal, clone it:

  git clone -c user.name='Camille Roux' -c user.email=camille.roux@isima.fr \
    %[1]s campus && cd campus

A student more:

  echo 'zmartin;Zoé Martin' >> cohorts/%[2]s
  git commit -am 'Add Zoé' && git push

The same by merge request: planned and judged, made when it is merged:

  git switch -c jeanne
  echo 'jdupont;Jeanne Dupont' >> cohorts/%[2]s
  git commit -am 'Add Jeanne' && git push -o merge_request.create origin jeanne
  git switch main && git merge jeanne && git push

Commits and their statuses   %[3]s
Merge requests               %[4]s
Passes, metrics, badge       http://%[5]s/passes  /metrics  /badge.svg
Configuration                %[6]s
`, d.world.CloneURL(), example.Roster, d.world.CommitsURL(), d.world.RequestsURL(), d.listen, d.config.path)
	if logFile != "" {
		fmt.Fprintf(w, "Log                          %s\n", logFile)
	}
	fmt.Fprintln(w, "\nCtrl-C ends it and leaves nothing behind.")
}

// account says what the machines of a pass took.
func (d *demo) account(p *reconciler.Pass) {
	made := 0
	for _, r := range p.Results {
		if r.Key.Kind() == inventory.KindGuest && r.Action == inventory.Create && r.State == inventory.StateDone {
			made++
		}
	}
	if made == 0 {
		return
	}
	took := p.Finished.Sub(p.Started)
	w := d.terminal.out
	fmt.Fprintf(w, "%d machines made, %s, with %.1f requests to Proxmox each.\n",
		made, perTime(float64(made)/took.Seconds()), float64(len(d.world.PVE.Requests()))/float64(made))
	var sent []string
	for i, server := range d.world.Windows {
		sent = append(sent, fmt.Sprintf("%d to dc%d", server.Commands().Verbs["apply"], i+1))
	}
	fmt.Fprintf(w, "Commands that write DNS and DHCP: %s.\n", strings.Join(sent, ", "))
	if d.speed > 1 {
		fmt.Fprintf(w, "The cluster was played %g times faster, provost was not: at its own pace this takes less than %s.\n",
			d.speed, strings.TrimSuffix(time.Duration(float64(took)*d.speed).Round(time.Minute).String(), "0s"))
	}
}

// teller tells of each commit and each request once, and of what was put right
// between commits.
type teller struct {
	w    io.Writer
	told map[string]bool // by commit, or by request and its head
}

func newTeller(w io.Writer, known string) *teller {
	return &teller{w: w, told: map[string]bool{known: true}}
}

func (t *teller) tell(p *reconciler.Pass) {
	title := fmt.Sprintf("%.12s  %s", p.Commit, p.Subject)
	switch {
	case !t.told[p.Commit]:
		t.told[p.Commit] = true
		printStatuses(t.w, title, p.Statuses)
	case p.Changed()+p.Failed() > 0:
		printStatuses(t.w, title+" (again)", p.Statuses)
	}
	for _, q := range p.Proposals {
		if name := q.ID + " " + q.Commit; !t.told[name] {
			t.told[name] = true
			printStatuses(t.w, fmt.Sprintf("%.12s  %s %s", q.Commit, q.ID, q.Title), q.Statuses)
		}
	}
}
