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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once: the first one asks, this one insists.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, &terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Args[1:]))
}
