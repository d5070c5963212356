package schema

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Errors are the texts of a 400 "Parameter verification failed.", by parameter.
type Errors map[string]string

func (e Errors) Error() string {
	var b strings.Builder
	b.WriteString("Parameter verification failed.\n")
	for _, k := range slices.Sorted(maps.Keys(e)) {
		fmt.Fprintf(&b, "%s: %s\n", k, strings.TrimSuffix(e[k], "\n"))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const (
	textMissing = "property is missing and it is not optional"
	textUnknown = "property is not defined in schema and the schema does not allow additional properties"
)

// indexed finds the number of an indexed parameter such as net0 or mp12.
var indexed = regexp.MustCompile(`^([a-z]+)(\d+)$`)

// Param returns the declaration of a parameter; net0 is declared as net[n].
func (m *Method) Param(name string) *Param { return lookup(m.Params, name) }

func lookup(params map[string]*Param, name string) *Param {
	if p := params[name]; p != nil {
		return p
	}
	if sub := indexed.FindStringSubmatch(name); sub != nil {
		return params[sub[1]+"[n]"]
	}
	return nil
}

// Check judges a request's parameters, those of the path included, and returns
// nil when there is nothing to say. refs names parameters that came as JSON
// objects or as lists: "HASH" or "ARRAY", as Perl calls them; the words of a
// list are in params, separated by NUL.
func (m *Method) Check(params map[string]string, refs map[string]string) Errors {
	return checkAll(m.Params, params, refs, "")
}

func checkAll(decl map[string]*Param, params, refs map[string]string, prefix string) Errors {
	errs := Errors{}
	for name, ref := range refs {
		switch p := lookup(decl, name); {
		case p == nil:
			errs[prefix+name] = textUnknown
		case p.Type == "array" && ref == "ARRAY":
		case p.Type == "string" && ref == "ARRAY" && strings.HasSuffix(p.Format, "-list"):
		default:
			errs[prefix+name] = fmt.Sprintf("type check ('%s') failed - got %s", p.Type, ref)
		}
	}
	for name, value := range params {
		p := lookup(decl, name)
		if p == nil {
			errs[prefix+name] = textUnknown
			continue
		}
		if text := p.check(prefix+name, value); text != "" && errs[prefix+name] == "" {
			errs[prefix+name] = text
		}
		if _, ok := params[p.Requires]; p.Requires != "" && !ok {
			errs[prefix+p.Requires] = fmt.Sprintf("missing property - '%s' requires this property", name)
		}
	}
	for name, p := range decl {
		_, given := params[name]
		_, ref := refs[name]
		if !given && !ref && !bool(p.Optional) && p.Alias == "" && !strings.HasSuffix(name, "[n]") {
			errs[prefix+name] = textMissing
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// check judges one value in the order in which the real server does, which
// stops at the first thing that is wrong.
func (p *Param) check(path, value string) string {
	if p.Type == "array" && p.Items != nil {
		for item := range strings.SplitSeq(value, "\x00") {
			if text := p.Items.check(path, item); text != "" {
				return text
			}
		}
		return ""
	}
	if !typeOK(p.Type, value) {
		return fmt.Sprintf("type check ('%s') failed - got '%s'", p.Type, value)
	}
	if text := p.checkFormat(path, value); text != "" {
		return "invalid format - " + text + "\n"
	}
	if p.shape != nil && !p.shape.MatchString(value) {
		return "value does not match the regex pattern"
	}
	if n := len([]rune(value)); p.MaxLength != nil && n > *p.MaxLength {
		return fmt.Sprintf("value may only be %d characters long", *p.MaxLength)
	} else if p.MinLength != nil && n < *p.MinLength {
		return fmt.Sprintf("value must be at least %d characters long", *p.MinLength)
	}
	if number, err := strconv.ParseFloat(value, 64); err == nil {
		if text := p.checkRange(number); text != "" {
			return text
		}
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, value) {
		return fmt.Sprintf("value '%s' does not have a value in the enumeration '%s'", value, strings.Join(p.Enum, ", "))
	}
	return ""
}

func (p *Param) checkRange(number float64) string {
	if p.Maximum != nil {
		if limit, err := p.Maximum.Float64(); err == nil && number > limit {
			return "value must have a maximum value of " + p.Maximum.String()
		}
	}
	if p.Minimum != nil {
		if limit, err := p.Minimum.Float64(); err == nil && number < limit {
			return "value must have a minimum value of " + p.Minimum.String()
		}
	}
	return ""
}

var (
	integerShape = regexp.MustCompile(`^[+-]?\d+$`)
	numberShape  = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
)

func typeOK(kind, value string) bool {
	switch kind {
	case "integer":
		return integerShape.MatchString(value)
	case "number":
		return numberShape.MatchString(value)
	case "boolean":
		return value == "0" || value == "1"
	}
	return true
}

// perl compiles a pattern as the server uses it: anchored, and with Perl's
// (?^i:…) groups, which RE2 writes (?i:…).
func perl(pattern string) *regexp.Regexp {
	p := strings.ReplaceAll(pattern, "(?^:", "(?:")
	p = strings.ReplaceAll(p, "(?^i:", "(?i:")
	p = strings.ReplaceAll(p, `\0`, `\x00`)
	re, err := regexp.Compile("^(?:" + p + ")$")
	if err != nil {
		return regexp.MustCompile("") // what cannot be judged is accepted
	}
	return re
}
