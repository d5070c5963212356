package main

import (
	"context"
	"flag"
	"fmt"
	"runtime/debug"
)

// version is what the build says of itself: a module version, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	if commit != "" {
		return commit + dirty
	}
	return "development"
}

func versionCommand() command {
	return command{
		name: "version", summary: "print the version",
		help: "Version prints the version of this program.\n\nExample:\n  provost version",
		setup: func(*flag.FlagSet) action {
			return func(_ context.Context, t *terminal, _ []string) (int, error) {
				fmt.Fprintln(t.out, "provost", version())
				return exitOK, nil
			}
		},
	}
}
