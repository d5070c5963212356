package policies

import (
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/provost-dev/provost/policies/strict"
	"github.com/provost-dev/provost/projects"
)

// Error is why a plan could not be judged. Every reason names its place.
type Error struct {
	Problems []projects.Problem
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = line(p)
	}
	return strings.Join(lines, "; ")
}

func line(p projects.Problem) string {
	switch {
	case p.File == "":
		return p.Message
	case p.Line == 0:
		return fmt.Sprintf("%s: %s", p.File, p.Message)
	default:
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	}
}

// regoProblems places the errors of OPA's parser, compiler and evaluator.
func regoProblems(tree projects.Tree, err error) []projects.Problem {
	var many ast.Errors
	var one *ast.Error
	var failed *topdown.Error
	switch {
	case errors.As(err, &many):
		problems := make([]projects.Problem, len(many))
		for i, e := range many {
			problems[i] = regoProblem(tree, e.Location, e.Message)
		}
		return problems
	case errors.As(err, &one):
		return []projects.Problem{regoProblem(tree, one.Location, one.Message)}
	case errors.As(err, &failed):
		return []projects.Problem{regoProblem(tree, failed.Location, failed.Message)}
	default:
		return []projects.Problem{{Message: err.Error()}}
	}
}

func regoProblem(tree projects.Tree, at *ast.Location, message string) projects.Problem {
	p := projects.Problem{Message: message}
	if at != nil {
		p.File, p.Line, p.Column = at.File, at.Row, at.Col
		p.Excerpt = strict.Excerpt(strings.Split(string(tree[at.File].Data), "\n"), at.Row)
	}
	return p
}
