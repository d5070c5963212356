package policies

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// Engine judges plans. It may be used concurrently.
type Engine struct {
	log     *slog.Logger
	timeout time.Duration
	last    atomic.Pointer[loaded] // the rules of the last tree, good or bad
}

// loaded is what became of one state of the policies folder.
type loaded struct {
	digest [sha256.Size]byte
	rules  *ruleset
	err    error
}

var _ reconciler.Policy = (*Engine)(nil)

// Option changes an Engine.
type Option func(*Engine)

// Timeout limits how long one plan may be judged; the default is 30 seconds.
func Timeout(d time.Duration) Option { return func(e *Engine) { e.timeout = d } }

// New makes an engine that has loaded nothing yet.
func New(log *slog.Logger, options ...Option) *Engine {
	e := &Engine{log: log, timeout: 30 * time.Second}
	for _, o := range options {
		o(e)
	}
	return e
}

// Check judges a plan by the rules and limits of in.Rules. Violations come in a
// fixed order, denials first. An error denies everything; an [*Error] says
// file, row and column.
func (e *Engine) Check(ctx context.Context, in reconciler.PolicyInput) ([]reconciler.Violation, error) {
	rules, err := e.rules(ctx, in.Rules)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	return rules.judge(ctx, in)
}

// rules are the compiled rules of a tree. They are compiled when their content
// changed, and swapped in whole; a pass that runs keeps the ones it began with.
func (e *Engine) rules(ctx context.Context, tree projects.Tree) (*ruleset, error) {
	digest := digestOf(tree)
	if l := e.last.Load(); l != nil && l.digest == digest {
		return l.rules, l.err
	}
	rules, problems := load(ctx, tree, false)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("cannot load the rules: %w", ctx.Err())
	}
	l := &loaded{digest: digest, rules: rules}
	if len(problems) > 0 {
		l.err = &Error{problems}
		e.log.WarnContext(ctx, "policies do not compile", "problems", len(problems), "first", line(problems[0]))
	} else {
		e.log.InfoContext(ctx, "policies compiled", "files", len(ruleFiles(tree, false)), "queries", len(rules.queries))
	}
	e.last.Store(l)
	return l.rules, l.err
}

// digestOf names the content of everything in a tree that [load] looks at.
func digestOf(tree projects.Tree) (digest [sha256.Size]byte) {
	files := ruleFiles(tree, false)
	for _, path := range []string{limitsFile, misnamedLimits} {
		if file, ok := tree[path]; ok {
			files[path] = file
		}
	}
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%q %q %d\n", path, files[path].Refused, len(files[path].Data))
		sum.Write(files[path].Data)
	}
	sum.Sum(digest[:0])
	return digest
}

// judge asks every query about the plan.
func (rs *ruleset) judge(ctx context.Context, in reconciler.PolicyInput, options ...rego.EvalOption) ([]reconciler.Violation, error) {
	if in.Time.IsZero() {
		in.Time = time.Unix(0, 0)
	}
	input := newDocument(in, rs.limits, rs.names, rs.sights)
	options = append(options, rego.EvalTime(in.Time))
	verdict := newVerdict(in)
	for _, q := range rs.queries {
		view := input.view(q.pkg, rs.sights)
		answers, err := q.ask(ctx, append(options, rego.EvalParsedInput(view.input)))
		if err == nil {
			err = verdict.add(q, answers, view)
		}
		if err != nil {
			return nil, err
		}
	}
	return verdict.violations(), nil
}

// ask evaluates one decision of one package.
func (q query) ask(ctx context.Context, options []rego.EvalOption) ([]any, error) {
	results, err := q.prepared.Eval(ctx, options...)
	switch {
	case ctx.Err() != nil:
		return nil, &Error{[]projects.Problem{q.problem("%s of %s did not end in time: %v", q.name, q.pkg, context.Cause(ctx))}}
	case err != nil:
		return nil, &Error{regoProblems(nil, err)}
	case len(results) == 0:
		return nil, nil
	}
	answers, ok := results[0].Expressions[0].Value.([]any)
	if !ok {
		return nil, &Error{[]projects.Problem{q.problem("%s of %s must be a set: write %s contains …", q.name, q.pkg, q.name)}}
	}
	return answers, nil
}

// problem is one about the whole query, placed at its first rule.
func (q query) problem(format string, args ...any) projects.Problem {
	return regoProblem(nil, q.at, fmt.Sprintf(format, args...))
}
