package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Exit codes. Plan has a third: changes.
const (
	exitOK      = 0
	exitError   = 1
	exitChanges = 2
)

// terminal is what a command talks to.
type terminal struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// command is one subcommand. setup declares its flags and returns what runs it.
type command struct {
	name    string
	args    string // "[DIR]"
	summary string
	help    string // what it does, then an example
	setup   func(*flag.FlagSet) action
}

// action runs a command once its flags are read, and gives the exit code.
type action = func(ctx context.Context, t *terminal, args []string) (int, error)

// configFlag declares the flag of every command that the daemon's configuration
// guides.
func configFlag(flags *flag.FlagSet) *string {
	return flags.String("config", "provost.yaml", "the daemon's configuration `FILE`")
}

// commands lists every subcommand, in the order in which help shows them.
func commands() []command {
	return []command{
		daemonCommand(), planCommand(), applyCommand(), validateCommand(), schemaCommand(),
		approveCommand(), pauseCommand(), resumeCommand(), demoCommand(), simCommand(), calibrateCommand(), versionCommand(),
	}
}

// run finds the command and runs it.
func run(ctx context.Context, t *terminal, args []string) int {
	if len(args) == 0 {
		usage(t.err)
		return exitError
	}
	name, rest := args[0], args[1:]
	if name == "help" || name == "-h" || name == "--help" {
		if len(rest) == 0 || name != "help" {
			usage(t.out)
			return exitOK
		}
		name, rest = rest[0], []string{"--help"}
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, t, rest)
		}
	}
	fmt.Fprintf(t.err, "provost: there is no command %q; 'provost help' lists them\n", name)
	return exitError
}

func (c command) run(ctx context.Context, t *terminal, args []string) int {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	act := c.setup(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		c.usage(t.out, flags)
		return exitOK
	case err != nil:
		fmt.Fprintf(t.err, "provost %s: %v; see 'provost help %s'\n", c.name, err, c.name)
		return exitError
	case c.args == "" && flags.NArg() > 0:
		fmt.Fprintf(t.err, "provost %s: it takes no argument, not %q; see 'provost help %s'\n", c.name, flags.Arg(0), c.name)
		return exitError
	}
	code, err := act(ctx, t, flags.Args())
	if err != nil {
		for line := range strings.SplitSeq(fmt.Sprintf("provost %s: %v", c.name, err), "\n") {
			fmt.Fprintln(t.err, oneLine(line)) // an error may list several things
		}
		return exitError
	}
	return code
}

func usage(w io.Writer) {
	fmt.Fprint(w, `provost makes a campus what its git repository says: machines in Proxmox VE,
records in DNS, reservations and authorised MACs in DHCP.

Usage: provost COMMAND [flags]

`)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, `
'provost help COMMAND' tells more. To see it all at work on this machine alone:

  provost demo
`)
}

func (c command) usage(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: provost %s\n\n%s\n", strings.TrimSpace(c.name+" [flags] "+c.args), strings.TrimSpace(c.help))
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(w, "\nFlags:\n")
			first = false
		}
		kind, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-24s %s\n", strings.TrimSpace("--"+f.Name+" "+kind), text)
	})
}
