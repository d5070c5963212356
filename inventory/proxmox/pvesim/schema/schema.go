// Package schema reads Proxmox VE's own description of its API and judges
// requests by it, in the words the real server uses.
//
// The description is the JSON form of the server's method declarations:
// {path: {METHOD: {params, permissions, protected, proxyto}}}. [Embedded] holds
// what the double serves, for each release it can play; a whole description
// can be read with [Parse]. To make the double serve another method, add that
// method's entry to both files; a test holds them against the full schema.
//
// The package refuses to guess: a format that it does not know is accepted, as
// it cannot say better, and [API.Check] never looks at what exists.
package schema

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

//go:embed api-9.1.json api-8.4.json
var files embed.FS

// API is a set of methods, by path pattern and HTTP method.
type API map[string]map[string]*Method

// Method declares one call: its parameters, those in the path among them, and
// who may make it.
type Method struct {
	Params      map[string]*Param `json:"params"`
	Permissions Permissions       `json:"permissions"`
	Protected   int               `json:"protected"` // runs in a worker of pvedaemon
	ProxyTo     string            `json:"proxyto"`   // the parameter that names the node to run on
}

// Permissions is a method's access rule. Check is a small expression:
// ["perm", path, [privileges], option, value …], ["and"|"or", rule …] and a few
// special forms; nil means that the method looks for itself.
type Permissions struct {
	User  string `json:"user"` // "all": whoever is logged in; "world": anybody
	Check []any  `json:"check"`
}

// Param declares one parameter or one key of a property string.
type Param struct {
	Type       string       `json:"type"`
	Optional   flag         `json:"optional"`
	Enum       []string     `json:"enum"`
	Minimum    *json.Number `json:"minimum"`
	Maximum    *json.Number `json:"maximum"`
	MinLength  *int         `json:"minLength"`
	MaxLength  *int         `json:"maxLength"`
	Pattern    string       `json:"pattern"`
	Requires   string       `json:"requires"`
	DefaultKey flag         `json:"default_key"`
	Alias      string       `json:"alias"`
	KeyAlias   string       `json:"keyAlias"`
	Items      *Param       `json:"items"`
	RawFormat  any          `json:"format"`

	Format string            `json:"-"` // the format's name, if it has one
	Keys   map[string]*Param `json:"-"` // the keys, if it is a property string
	shape  *regexp.Regexp
}

// flag is a boolean that Perl may have written as 0, 1, "0" or "1".
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	*f = s == "1" || s == "true"
	return nil
}

// Embedded returns the methods that the double serves in release "9.1" or "8.4".
func Embedded(release string) (API, error) {
	b, err := files.ReadFile("api-" + release + ".json")
	if err != nil {
		return nil, fmt.Errorf("cannot play Proxmox VE %q: there is no schema of it", release)
	}
	return Parse(b)
}

// Parse reads a description of the API.
func Parse(b []byte) (API, error) {
	var api API
	if err := json.Unmarshal(b, &api); err != nil {
		return nil, fmt.Errorf("cannot read the API schema: %w", err)
	}
	for path, methods := range api {
		for name, m := range methods {
			if m == nil {
				return nil, fmt.Errorf("cannot read the API schema: %s %s is null", name, path)
			}
			for _, p := range m.Params {
				if err := p.resolve(); err != nil {
					return nil, fmt.Errorf("cannot read the API schema: %s %s: %w", name, path, err)
				}
			}
		}
	}
	return api, nil
}

// resolve sorts the two things that "format" may be: a name, or the keys of a
// property string.
func (p *Param) resolve() error {
	if p == nil {
		return fmt.Errorf("a parameter is null")
	}
	switch f := p.RawFormat.(type) {
	case string:
		p.Format = f
	case map[string]any:
		b, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &p.Keys); err != nil {
			return err
		}
		for _, k := range p.Keys {
			if err := k.resolve(); err != nil {
				return err
			}
		}
	}
	if p.Pattern != "" {
		p.shape = perl(p.Pattern)
	}
	if p.Items != nil {
		return p.Items.resolve()
	}
	return nil
}

// Find returns the method that serves a request, the pattern of its path and
// the parameters that the path carries; nil if there is none. Words win over
// placeholders.
func (a API) Find(method, path string) (m *Method, pattern string, params map[string]string) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	best := -1
	for p, methods := range a {
		if methods[method] == nil {
			continue
		}
		vars, words, ok := match(p, segments)
		if ok && words > best {
			m, pattern, params, best = methods[method], p, vars, words
		}
	}
	return m, pattern, params
}

// match compares a path pattern with a request's segments; words counts the
// segments that matched literally. A volume's name may hold slashes, and
// stands last.
func match(pattern string, segments []string) (vars map[string]string, words int, ok bool) {
	parts := strings.Split(strings.Trim(pattern, "/"), "/")
	if n := len(parts); len(segments) > n && parts[n-1] == "{volume}" {
		rest := strings.Join(segments[n-1:], "/")
		segments = append(append([]string(nil), segments[:n-1]...), rest)
	}
	if len(parts) != len(segments) {
		return nil, 0, false
	}
	vars = map[string]string{}
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			vars[strings.Trim(part, "{}")] = segments[i]
			continue
		}
		if part != segments[i] {
			return nil, 0, false
		}
		words++
	}
	return vars, words, true
}
