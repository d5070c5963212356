package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

// approvals are kept in the state directory, where only who may write there can
// give one.
func approvals(c *Config) *reconciler.Approvals {
	return reconciler.NewApprovals(filepath.Join(c.State, "approvals"), time.Now)
}

func approveCommand() command {
	return command{
		name: "approve", args: "HASH", summary: "let a plan go that the guard or a rule holds back",
		help: `Approve lets exactly one plan go that the deletion guard holds back, or of which
a rule of the campus wants an approval: the one whose hash the commit's status,
the pages and 'provost plan' show. The daemon's next pass uses
it, if the plan is still that one; if anything in it has changed, the hash is
another and the approval is void. It counts for seven days, and once.

Example:
  provost approve 0f3a9c5e7d1b2a4860c4e2f1907ab35d --config provost.yaml --as camille`,
		setup: func(flags *flag.FlagSet) action {
			config := configFlag(flags)
			who := flags.String("as", "", "the `NAME` that statuses show; yours where it is left out")
			return func(_ context.Context, t *terminal, args []string) (int, error) {
				if len(args) == 0 {
					return exitError, errors.New("give the hash of the plan")
				}
				hash := args[0]
				if err := flags.Parse(args[1:]); err != nil { // flags may follow the hash
					return exitError, err
				}
				if flags.NArg() > 0 {
					return exitError, fmt.Errorf("it takes one hash, not also %q", flags.Arg(0))
				}
				c, err := readConfig(*config)
				if err != nil {
					return exitError, err
				}
				if err := approvals(c).Give(hash, cmp.Or(*who, loginName())); err != nil {
					return exitError, err
				}
				fmt.Fprintln(t.out, "approved; the next pass lets this plan go, if it is still the same")
				return exitOK, nil
			}
		},
	}
}

// loginName is who is at the keyboard, also behind sudo.
func loginName() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
