// Provost makes a campus what its git repository says: see README.md, or
// "provost help".
//
// The package holds flags, strict configuration and wiring, one file a
// subcommand; to add one, add it to commands. It refuses to hold logic that a
// package below could hold.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(runUntilSignal(&terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Args[1:]))
}

// runUntilSignal runs a command. The first signal asks it to end, a second one
// ends it at once.
func runUntilSignal(t *terminal, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return run(ctx, t, args)
}
