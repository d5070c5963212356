package policies

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// builtin holds the rules that every campus has, with their tests.
//
//go:embed builtin/*.rego
var builtin embed.FS

const (
	campusFolder = "policies/"
	ruleSuffix   = ".rego"
	testSuffix   = "_test.rego"
)

// decisions are the rules that are asked for in every package, with conftest's
// names.
var decisions = []decision{
	{"deny", reconciler.LevelDeny, ""},
	{"require_approval", reconciler.LevelHold, "needs an approval: "},
	{"warn", reconciler.LevelWarn, ""},
}

type decision struct {
	name   string
	level  reconciler.Level
	prefix string
}

// ruleset is the built-in and the campus's rules, compiled, with the limits.
type ruleset struct {
	compiler *ast.Compiler
	store    storage.Store
	limits   limits
	queries  []query
	names    patterns
	sights   map[string]*sight // of packages that do not see everything
}

// query asks one package for one decision.
type query struct {
	decision
	pkg      string // "provost.quota"
	prepared rego.PreparedEvalQuery
	places   map[string]string // file:row by the title of a rule; "" for the first
	title    string            // of the package
	at       *ast.Location     // of the first rule
}

// ruleFiles are the Rego files of a tree by path. Tests are left out unless asked for.
func ruleFiles(tree projects.Tree, tests bool) projects.Tree {
	files := projects.Tree{}
	for path, file := range tree {
		if strings.HasPrefix(path, campusFolder) && strings.HasSuffix(path, ruleSuffix) &&
			(tests || !strings.HasSuffix(path, testSuffix)) {
			files[path] = file
		}
	}
	return files
}

// load compiles the rules of a tree beside the built-in ones.
func load(ctx context.Context, tree projects.Tree, tests bool) (*ruleset, []projects.Problem) {
	modules, problems := parse(ruleFiles(tree, tests), tests)
	limits, more := readLimits(tree)
	if problems = append(problems, more...); len(problems) > 0 {
		return nil, problems
	}
	compiler := ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities()).
		WithEnablePrintStatements(tests)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, regoProblems(tree, compiler.Errors)
	}
	rs := &ruleset{compiler: compiler, limits: limits, names: limits.patterns(), sights: limits.sights(), store: inmem.NewFromObjectWithOpts(
		map[string]any{"limits": limits.data()}, inmem.OptRoundTripOnWrite(true), inmem.OptReturnASTValuesOnRead(true))}
	if err := rs.prepare(ctx); err != nil {
		return nil, regoProblems(tree, err)
	}
	return rs, nil
}

// parse reads the campus's files and our own, and gathers all problems.
func parse(campus projects.Tree, tests bool) (map[string]*ast.Module, []projects.Problem) {
	files := builtinFiles(tests)
	maps.Copy(files, campus)
	options := ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1, Capabilities: capabilities()}
	modules := map[string]*ast.Module{}
	var problems []projects.Problem
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if refused := files[path].Refused; refused != "" {
			problems = append(problems, projects.Problem{File: path, Message: "cannot read: it " + refused})
			continue
		}
		module, err := ast.ParseModuleWithOpts(path, string(files[path].Data), options)
		if err != nil {
			problems = append(problems, regoProblems(files, err)...)
			continue
		}
		if _, ours := campus[path]; ours && reserved(packageName(module)) {
			problems = append(problems, projects.Problem{
				File: path, Line: module.Package.Location.Row, Column: module.Package.Location.Col,
				Message: fmt.Sprintf("package %s is provost's own", packageName(module)),
				Hint:    "choose another package, for example campus.rules",
			})
			continue
		}
		modules[path] = module
	}
	return modules, problems
}

// reserved reports whether a package would change our rules or hide the limits.
func reserved(pkg string) bool {
	first, _, _ := strings.Cut(pkg, ".")
	return first == "provost" || first == "limits"
}

func builtinFiles(tests bool) projects.Tree {
	files := projects.Tree{}
	entries, _ := fs.ReadDir(builtin, "builtin") // embedded: it is there
	for _, entry := range entries {
		path := "builtin/" + entry.Name()
		if tests || !strings.HasSuffix(path, testSuffix) {
			data, _ := builtin.ReadFile(path)
			files[path] = projects.File{Data: data}
		}
	}
	return files
}

// prepare makes a query for each package and decision that there is, sorted.
func (rs *ruleset) prepare(ctx context.Context) error {
	byPackage := map[string][]*ast.Module{}
	for _, module := range rs.compiler.Modules {
		byPackage[packageName(module)] = append(byPackage[packageName(module)], module)
	}
	for _, name := range slices.Sorted(maps.Keys(byPackage)) {
		modules := byPackage[name]
		for _, d := range decisions {
			rules := rulesNamed(modules, d.name)
			if len(rules) == 0 {
				continue
			}
			prepared, err := rego.New(
				rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(modules[0].Package.Path.Append(ast.StringTerm(d.name)))))),
				rego.Compiler(rs.compiler), rego.Store(rs.store), rego.StrictBuiltinErrors(true),
				rego.Capabilities(capabilities()),
			).PrepareForEval(ctx)
			if err != nil {
				return err
			}
			places, title := rs.describe(modules[0].Package, rules)
			rs.queries = append(rs.queries, query{decision: d, pkg: name, prepared: prepared, places: places, title: title, at: rules[0].Location})
		}
	}
	return nil
}

// describe finds where the rules of one decision stand, by their titles, and
// the title of their package.
func (rs *ruleset) describe(pkg *ast.Package, rules []*ast.Rule) (places map[string]string, title string) {
	annotations := rs.compiler.GetAnnotationSet()
	places = map[string]string{"": position(rules[0].Location)}
	for _, rule := range rules {
		for _, a := range annotations.GetRuleScope(rule) {
			if places[a.Title] == "" {
				places[a.Title] = position(rule.Location)
			}
		}
	}
	if a := annotations.GetPackageScope(pkg); a != nil {
		title = a.Title
	}
	return places, title
}

func rulesNamed(modules []*ast.Module, name string) []*ast.Rule {
	var rules []*ast.Rule
	for _, module := range modules {
		for _, rule := range module.Rules {
			if rule.Head.Ref()[0].Equal(ast.VarTerm(name)) {
				rules = append(rules, rule)
			}
		}
	}
	slices.SortFunc(rules, func(a, b *ast.Rule) int {
		return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row))
	})
	return rules
}

func packageName(m *ast.Module) string {
	return strings.TrimPrefix(m.Package.Path.String(), "data.")
}

// position is file:row, as people write it.
func position(at *ast.Location) string {
	return fmt.Sprintf("%s:%d", at.File, at.Row)
}
