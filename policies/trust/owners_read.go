package trust

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/policies/strict"
	"github.com/provost-dev/provost/projects"
)

const groupPrefix = "group:"

var groupName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]*$`)

// readOwners reads policies/owners.yaml; nil where there is none.
func readOwners(tree projects.Tree) (*Owners, []projects.Problem) {
	r, data := open(tree, ownersFile)
	if r == nil {
		return nil, nil
	}
	if len(r.Problems) > 0 {
		return nil, r.Problems
	}
	o := &Owners{}
	said := ""
	root := r.Document(data)
	if root == nil {
		if len(r.Problems) == 0 {
			r.Complain(nil, "write rules, or delete the file", "the file is empty")
		}
		return nil, r.Problems
	}
	r.Mapping(root, "the owners", map[string]func(*yaml.Node){
		"apiVersion": heading(r, "apiVersion", apiVersion),
		"kind":       heading(r, "kind", "Owners"),
		"unowned":    func(n *yaml.Node) { said = choice(r, n, "unowned", "allow", "deny") },
		"rules": func(n *yaml.Node) {
			r.Items(n, "rules", func(item *yaml.Node) { o.rules = append(o.rules, readRule(r, item)) })
		},
	})
	if len(r.Problems) == 0 && said == "" {
		r.Complain(root, "write unowned: deny, or allow", "the file does not say what becomes of a push of which nobody knows whose it is")
	}
	if len(r.Problems) == 0 && len(o.rules) == 0 {
		r.Complain(root, `begin with - {paths: "**", who: group:admins}`, "without rules nobody may change anything")
	}
	o.trust = said == "allow"
	if len(r.Problems) > 0 {
		return nil, r.Problems
	}
	return o, nil
}

func readRule(r *strict.Reader, n *yaml.Node) rule {
	var out rule
	before := len(r.Problems)
	r.Mapping(n, "a rule", map[string]func(*yaml.Node){
		"paths":  func(n *yaml.Node) { out.paths = patterns(r, n, true) },
		"who":    func(n *yaml.Node) { words(r, n, "who", func(n *yaml.Node, text string) { out.name(r, n, text) }) },
		"entry":  func(n *yaml.Node) { out.own = choice(r, n, "entry", "own") != "" },
		"fields": func(n *yaml.Node) { out.readFields(r, n) },
	})
	switch {
	case len(r.Problems) > before:
	case len(out.paths) == 0:
		r.Complain(n, `add paths: "projects/**"`, "the rule does not say about which paths it is")
	case !out.anyone && len(out.logins)+len(out.groups) == 0:
		r.Complain(n, "add who: with logins, group:NAME or anyone", "the rule does not say whom it lets")
	}
	return out
}

// name reads one of those whom a rule lets.
func (r *rule) name(file *strict.Reader, n *yaml.Node, text string) {
	group, isGroup := strings.CutPrefix(text, groupPrefix)
	switch {
	case text == "anyone":
		r.anyone = true
	case isGroup && groupName.MatchString(group):
		r.groups = append(r.groups, group)
	case !isGroup && plainLogin.MatchString(text):
		r.logins = append(r.logins, text)
	default:
		file.Complain(n, "write a login, group:NAME or anyone", "%q is neither a login nor a group", text)
	}
}

func (r *rule) readFields(file *strict.Reader, n *yaml.Node) {
	r.fields = map[string]bound{}
	file.Entries(n, "fields", func(key, value *yaml.Node) {
		r.fields[key.Value] = bound(choice(file, value, key.Value, string(boundAny), string(boundFlavour)))
	})
}

// choice reads one of a few words, or "" after a complaint.
func choice(r *strict.Reader, n *yaml.Node, what string, words ...string) string {
	text, ok := r.Text(n, what)
	if !ok || slices.Contains(words, text) {
		return text
	}
	r.Complain(n, "write "+strings.Join(words, " or "), "%s cannot be %q", what, text)
	return ""
}
