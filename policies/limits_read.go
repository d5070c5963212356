package policies

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gobwas/glob"
	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/policies/strict"
	"github.com/provost-dev/provost/projects"
)

// apiVersion is the one version of the limits file that there is.
const apiVersion = "provost/v1"

// misnamedLimits would otherwise limit nothing without a word.
const misnamedLimits = "policies/limits.yml"

// readLimits reads the limits file of a tree. No file is no limits.
func readLimits(tree projects.Tree) (limits, []projects.Problem) {
	if _, ok := tree[misnamedLimits]; ok {
		return defaultLimits(), []projects.Problem{{File: misnamedLimits, Message: "limits are read from " + limitsFile + " only", Hint: "rename the file"}}
	}
	file, ok := tree[limitsFile]
	switch {
	case !ok:
		return defaultLimits(), nil
	case file.Refused != "":
		return defaultLimits(), []projects.Problem{{File: limitsFile, Message: "cannot read: it " + file.Refused}}
	}
	return decodeLimits(file.Data)
}

// decodeLimits reads the content of a limits file. With problems, the limits
// must not be used.
func decodeLimits(data []byte) (limits, []projects.Problem) {
	r := &limitsReader{
		Reader: strict.Reader{File: limitsFile, Lines: strings.Split(string(data), "\n")},
		limits: defaultLimits(),
	}
	if root := r.Document(data); root != nil {
		r.Mapping(root, "the limits", map[string]func(*yaml.Node){
			"apiVersion": r.word("apiVersion", apiVersion),
			"kind":       r.word("kind", "Limits"),
			"quotas":     r.quotas,
			"allow":      r.allow,
			"names":      r.names,
			"warn":       r.warn,
		})
	}
	return r.limits, r.Problems
}

type limitsReader struct {
	strict.Reader
	limits limits
}

// word demands one certain value.
func (r *limitsReader) word(key, want string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if got, ok := r.Text(n, key); ok && got != want {
			r.Complain(n, "write "+want, "%s must be %s", key, want)
		}
	}
}

func (r *limitsReader) quotas(n *yaml.Node) {
	known := map[string]func(*yaml.Node){}
	for _, scope := range scopes {
		known[scope] = func(n *yaml.Node) { r.limits.Quotas[scope] = r.quota(n, "the quotas of a "+scope) }
	}
	r.Mapping(n, "quotas", known)
}

// quota reads the default first, wherever it stands, because exceptions build on it.
func (r *limitsReader) quota(n *yaml.Node, what string) quota {
	q := quota{Default: noLimits(), Except: map[string]amounts{}}
	var except *yaml.Node
	r.Mapping(n, what, map[string]func(*yaml.Node){
		"default": func(n *yaml.Node) { q.Default = r.amounts(n, q.Default) },
		"except":  func(n *yaml.Node) { except = n },
	})
	if except != nil {
		r.Entries(except, "except", func(name, value *yaml.Node) { q.Except[name.Value] = r.amounts(value, q.Default) })
	}
	return q
}

func (r *limitsReader) amounts(n *yaml.Node, base amounts) amounts {
	known := map[string]func(*yaml.Node){}
	for d := range dimensions {
		known[d.String()] = func(n *yaml.Node) {
			text, ok := r.Text(n, d.String())
			if !ok {
				return
			}
			amount, ok := parseAmount(d, text)
			if !ok {
				r.Complain(n, amountHints[d], "cannot read %q as %s", text, d)
				return
			}
			base[d] = amount
		}
	}
	r.Mapping(n, "a quota", known)
	return base
}

var amountHints = [dimensions]string{
	guests: "write a count, or unlimited",
	cores:  "write a count, or unlimited",
	memory: "write a number of MiB, or with a unit: 512 MiB, 16 GiB, 2 TiB, or unlimited",
	disk:   "write a number of GiB, or with a unit: 100 GiB, 2 TiB, or unlimited",
}

var amountShape = regexp.MustCompile(`^([0-9]{1,12}) ?(MiB|GiB|TiB)?$`)

// units are the factors from a unit to what the dimension counts in. A bare
// number means what it means in a declaration: MiB of memory, GiB of disk.
var units = [dimensions]map[string]int64{
	guests: {"": 1},
	cores:  {"": 1},
	memory: {"": 1, "MiB": 1, "GiB": 1 << 10, "TiB": 1 << 20},
	disk:   {"": 1, "GiB": 1, "TiB": 1 << 10},
}

func parseAmount(d dimension, text string) (int64, bool) {
	if text == "unlimited" {
		return unlimited, true
	}
	m := amountShape.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	factor, ok := units[d][m[2]]
	number, err := strconv.ParseInt(m[1], 10, 64)
	return number * factor, ok && err == nil
}

func (r *limitsReader) allow(n *yaml.Node) {
	r.Items(n, "allow", func(item *yaml.Node) {
		a := allowance{Lists: map[string][]string{}}
		known := map[string]func(*yaml.Node){"for": r.pattern("for", &a.For)}
		for _, subject := range allowSubjects {
			known[subject] = func(n *yaml.Node) { a.Lists[subject] = r.patterns(n, subject) }
		}
		r.Mapping(item, "an entry of allow", known)
		r.complete(item, a.For, len(a.Lists) > 0, "one of "+strings.Join(allowSubjects, ", "))
		r.limits.Allow = append(r.limits.Allow, a)
	})
}

func (r *limitsReader) names(n *yaml.Node) {
	r.Items(n, "names", func(item *yaml.Node) {
		var entry naming
		r.Mapping(item, "an entry of names", map[string]func(*yaml.Node){
			"for":  r.pattern("for", &entry.For),
			"like": func(n *yaml.Node) { entry.Like = r.patterns(n, "like") },
		})
		r.complete(item, entry.For, len(entry.Like) > 0, "like")
		r.limits.Names = append(r.limits.Names, entry)
	})
}

// complete complains about an entry that says nothing, or not about whom.
func (r *limitsReader) complete(n *yaml.Node, who string, says bool, what string) {
	switch {
	case n.Kind != yaml.MappingNode: // complained about already
	case who == "":
		r.Complain(n, `for example for: "cohort/*"`, "the entry does not say for whom it is")
	case !says:
		r.Complain(n, "", "the entry needs %s", what)
	}
}

func (r *limitsReader) pattern(what string, to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		text, ok := r.Text(n, what)
		if !ok {
			return
		}
		if _, err := glob.Compile(strings.ReplaceAll(text, "{student}", "x")); err != nil {
			r.Complain(n, `* stands for any text, ? for one character`, "cannot read the pattern %q: %v", text, err)
			return
		}
		*to = text
	}
}

// patterns reads a list of patterns; a single one may stand without a list.
func (r *limitsReader) patterns(n *yaml.Node, what string) []string {
	list := []string{}
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		n = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{n}}
	}
	r.Items(n, what, func(item *yaml.Node) {
		var p string
		if r.pattern("an item of "+what, &p)(item); p != "" {
			list = append(list, p)
		}
	})
	return list
}

func (r *limitsReader) warn(n *yaml.Node) {
	known := map[string]func(*yaml.Node){}
	for _, what := range slices.Sorted(maps.Keys(r.limits.Warn)) {
		known[what] = func(n *yaml.Node) {
			text, ok := r.Text(n, what)
			if !ok {
				return
			}
			percent, ok := parsePercent(text)
			if !ok {
				r.Complain(n, "write a percentage such as 90 %, or unlimited", "cannot read %q as a share of %s", text, what)
				return
			}
			r.limits.Warn[what] = percent
		}
	}
	r.Mapping(n, "warn", known)
}

func parsePercent(text string) (int64, bool) {
	if text == "unlimited" {
		return unlimited, true
	}
	number, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "%")), 10, 64)
	return number, err == nil && 0 < number && number <= 1000
}
