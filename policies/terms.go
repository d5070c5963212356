package policies

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
)

func changeTerm(id inventory.Key, c *inventory.Change, spaces *workspaces, more ...[2]*ast.Term) *ast.Term {
	fields := make([][2]*ast.Term, 0, 10)
	put := func(name string, value *ast.Term) { fields = append(fields, [2]*ast.Term{word(name), value}) }
	put("id", text(string(id)))
	put("action", word(string(c.Action)))
	put("system", text(c.Key.System()))
	put("kind", word(c.Key.Kind()))
	put("name", text(c.Key.Name()))
	put("owner", ownerTerm(c.Owner))
	put("fields", list(c.Fields, text))
	put("needs", list(c.Needs, func(k inventory.Key) *ast.Term { return text(string(k)) }))
	if c.Before != nil {
		put("before", resourceTerm(c.Before.Attrs, c.Before.Owner, spaces))
	}
	if c.After != nil {
		put("after", resourceTerm(afterAttrs(c), c.After.Owner, spaces))
	}
	return ast.ObjectTerm(append(fields, more...)...)
}

// resourceTerm is a resource's attributes with its owner and workspace beside them.
func resourceTerm(attrs inventory.Attrs, owner inventory.Owner, spaces *workspaces) *ast.Term {
	return attrsTerm(attrs,
		[2]*ast.Term{word("owner"), ownerTerm(owner)},
		[2]*ast.Term{word("workspace"), text(spaces.of(owner.Unit))})
}

func ownerTerm(o inventory.Owner) *ast.Term {
	pairs := make([][2]*ast.Term, 0, 4)
	put := func(name, value string) {
		if value != "" {
			pairs = append(pairs, [2]*ast.Term{word(name), text(value)})
		}
	}
	put("campus", o.Campus)
	put("file", o.File)
	put("student", o.Student)
	put("unit", o.Unit)
	return ast.ObjectTerm(pairs...)
}

// attrsTerm turns canonical attributes into what is pleasant in Rego: numbers
// are numbers, lists are arrays, and "net0.bridge" is net0.bridge.
func attrsTerm(attrs inventory.Attrs, more ...[2]*ast.Term) *ast.Term {
	flat := make([][2]*ast.Term, 0, len(attrs)+len(more))
	var nested map[string]map[string]*ast.Term
	for name, value := range attrs {
		group, inner, dotted := strings.Cut(name, ".")
		if !dotted {
			flat = append(flat, [2]*ast.Term{word(name), attrTerm(name, value)})
			continue
		}
		if nested == nil {
			nested = map[string]map[string]*ast.Term{}
		}
		if nested[group] == nil {
			nested[group] = map[string]*ast.Term{}
		}
		nested[group][inner] = attrTerm(inner, value)
	}
	obj := ast.NewObject(append(flat, more...)...)
	for group, fields := range nested {
		obj.Insert(word(group), term(fields))
	}
	return ast.NewTerm(obj)
}

// numeric are the attributes that rules compare as numbers, with or without the
// interface's name before them.
var numeric = map[string]bool{
	"cores": true, "memory": true, "swap": true, "disk": true, "vmid": true, "rebuild": true,
	"ttl": true, "used": true, "size": true, "tag": true, "mtu": true, "rate": true,
}

// separators split the attributes that are lists.
var separators = map[string]string{"nets": ",", "tags": ";"}

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?$`)

func attrTerm(name, value string) *ast.Term {
	if numeric[name] && decimal.MatchString(value) {
		return ast.NumberTerm(json.Number(value))
	}
	if separator, ok := separators[name]; ok {
		return list(strings.FieldsFunc(value, func(r rune) bool { return string(r) == separator }), text)
	}
	return text(value)
}

func usageTerm(stock ledger) *ast.Term {
	byScope := map[string]map[string]*ast.Term{}
	for _, scope := range scopes {
		byScope[scope] = map[string]*ast.Term{}
	}
	for h, a := range stock.accounts {
		byScope[h.scope][h.name] = term(map[string]*ast.Term{
			"before": amountsTerm(a.before),
			"after":  amountsTerm(a.after),
		})
	}
	return each(byScope, term)
}

func amountsTerm(a amounts) *ast.Term {
	fields := map[string]*ast.Term{}
	for d, n := range a {
		fields[dimension(d).String()] = count(n)
	}
	return term(fields)
}

func excessTerm(e excess) *ast.Term {
	return term(map[string]*ast.Term{
		"scope":  text(e.scope),
		"name":   text(e.name),
		"what":   text(e.what.String()),
		"before": count(e.before),
		"after":  count(e.after),
		"limit":  count(e.limit),
		"beyond": list(e.beyond, func(k inventory.Key) *ast.Term { return text(string(k)) }),
	})
}

func placesTerm(places map[string]*place) *ast.Term {
	return each(places, func(p *place) *ast.Term {
		return attrsTerm(p.Attrs,
			[2]*ast.Term{text("planned"), count(p.planned)},
			[2]*ast.Term{text("changes"), ast.ArrayTerm(p.ids...)})
	})
}

func text(s string) *ast.Term { return ast.StringTerm(s) }

// word is text that stands in every change. Its term is made once; terms of an
// input are never written to.
func word(s string) *ast.Term {
	if t, ok := words[s]; ok {
		return t
	}
	return text(s)
}

var words = termsOf(
	"id", "action", "system", "kind", "name", "owner", "fields", "needs", "before", "after", "workspace",
	"campus", "file", "student", "unit",
	"create", "update", "replace", "delete", "adopt", "guest", "power", "record", "reservation", "filter",
	"type", "vmid", "node", "cores", "memory", "swap", "disk", "storage", "pool", "tags", "description", "features",
	"nameserver", "searchdomain", "onboot", "nets", "state", "boot", "zone", "value", "ttl", "ip", "mac", "on", "list",
	"machines", "net0", "bridge", "model", "tag", "base", "clone", "lxc", "qemu", "running",
)

func termsOf(words ...string) map[string]*ast.Term {
	terms := make(map[string]*ast.Term, len(words))
	for _, w := range words {
		terms[w] = text(w)
	}
	return terms
}

func count(n int64) *ast.Term { return ast.NumberTerm(json.Number(strconv.FormatInt(n, 10))) }

func list[T any](items []T, each func(T) *ast.Term) *ast.Term {
	terms := make([]*ast.Term, len(items))
	for i, item := range items {
		terms[i] = each(item)
	}
	return ast.ArrayTerm(terms...)
}

func each[T any](items map[string]T, value func(T) *ast.Term) *ast.Term {
	fields := make(map[string]*ast.Term, len(items))
	for name, item := range items {
		fields[name] = value(item)
	}
	return term(fields)
}

func term(fields map[string]*ast.Term) *ast.Term { return ast.NewTerm(object(fields)) }

func object(fields map[string]*ast.Term) ast.Value {
	pairs := make([][2]*ast.Term, 0, len(fields))
	for name, value := range fields { // the object sorts them
		pairs = append(pairs, [2]*ast.Term{word(name), value})
	}
	return ast.NewObject(pairs...)
}
