package main

import (
	"fmt"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/inventory"
)

// ageWord makes a retired guest's mark older, on the node itself, as if so many
// days had gone by: age NAME DAYS.
func ageWord(ts *testscript.TestScript, neg bool, args []string) {
	s := on(ts)
	g := s.must(ts, args[0])
	mark, _ := inventory.ParseMark(g.Config["description"])
	day, err := time.Parse(time.DateOnly, mark.Extra[inventory.AttrRetired])
	ts.Check(err)
	older := day.AddDate(0, 0, -atoi(ts, args[1])).Format(time.DateOnly)
	field := regexp.MustCompile(`retired=[0-9-]+`)
	ts.Check(s.world.PVE.EditFile(g.VMID, field.ReplaceAllString(s.world.PVE.File(g.VMID), "retired="+older)))
}

// hashWord waits until the plan's status on $COMMIT asks for an approval, and
// sets $HASH to what is to be approved.
func hashWord(ts *testscript.TestScript, neg bool, args []string) {
	asks := regexp.MustCompile(`held back, approve ([0-9a-f]{32}):`)
	eventually(ts, func() string {
		for _, s := range on(ts).world.GitLab.Statuses(world.Project, ts.Getenv("COMMIT")) {
			if found := asks.FindStringSubmatch(s.Description); found != nil && s.Name == "provost/plan" {
				ts.Setenv("HASH", found[1])
				return ""
			}
		}
		return fmt.Sprintf("no status on %s asks for an approval", ts.Getenv("COMMIT"))
	})
}
