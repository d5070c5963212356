package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/provost-dev/provost/policies/trust"
	"github.com/provost-dev/provost/projects"
)

func schemaCommand() command {
	return command{
		name: "schema", args: "KIND", summary: "print the JSON Schema of a kind of file, for editors",
		help: `Schema prints the JSON Schema of one kind of file: project, cohort,
campus, owners or signers.
Editors that read YAML with a schema then complete and check while you type.

Example:
  provost schema cohort > cohort.schema.json
  # first line of a cohort file:
  # yaml-language-server: $schema=cohort.schema.json`,
		setup: func(*flag.FlagSet) action {
			return func(_ context.Context, t *terminal, args []string) (int, error) {
				if len(args) != 1 {
					return exitError, fmt.Errorf("name one kind: %s", schemaKinds())
				}
				schema := cmp.Or(string(projects.Schema(args[0])), string(trust.Schema(args[0])))
				if schema == "" {
					return exitError, fmt.Errorf("there is no kind %q: it is %s", args[0], schemaKinds())
				}
				_, err := io.WriteString(t.out, schema)
				return exitOK, err
			}
		},
	}
}

// schemaKinds names the kinds, for people.
func schemaKinds() string {
	kinds := slices.Concat(projects.Kinds(), trust.Kinds())
	return strings.Join(kinds[:len(kinds)-1], ", ") + " or " + kinds[len(kinds)-1]
}
