package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/provost-dev/provost/projects"
)

func schemaCommand() command {
	return command{
		name: "schema", args: "KIND", summary: "print the JSON Schema of a kind of file, for editors",
		help: `Schema prints the JSON Schema of one kind of file: project, cohort or campus.
Editors that read YAML with a schema then complete and check while you type.

Example:
  provost schema cohort > cohort.schema.json
  # first line of a cohort file:
  # yaml-language-server: $schema=cohort.schema.json`,
		setup: func(*flag.FlagSet) func(context.Context, *terminal, []string) (int, error) {
			return func(_ context.Context, t *terminal, args []string) (int, error) {
				if len(args) != 1 {
					return exitError, fmt.Errorf("name one kind: project, cohort or campus")
				}
				schema := projects.Schema(args[0])
				if schema == nil {
					return exitError, fmt.Errorf("there is no kind %q: it is project, cohort or campus", args[0])
				}
				_, err := t.out.Write(schema)
				return exitOK, err
			}
		},
	}
}
