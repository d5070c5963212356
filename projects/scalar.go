package projects

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// pattern is a regular expression with a name for people. It stands in the JSON
// Schema too, so it keeps to what both dialects understand.
type pattern struct {
	re   *regexp.Regexp
	what string // "a date"
	rule string // how to write one
	// plain says the same as re of a text of plain letters, where there is a
	// quicker way: most texts of a campus are names.
	plain func(string) bool
}

func like(expr, what, rule string) *pattern {
	return &pattern{re: regexp.MustCompile(expr), what: what, rule: rule}
}

// letters is a pattern of texts of at most most letters out of a class such as
// "a-z0-9", and, but for the first one, out of others.
func letters(class, others string, most int, what, rule string) *pattern {
	p := like(fmt.Sprintf(`^[%s][%s%s]{0,%d}$`, class, class, others, most-1), what, rule)
	p.plain = func(s string) bool { return len(s) <= most && spelled(s, class, others) }
	return p
}

// spelled reports whether a text is made of letters of a class and, after the
// first one, others.
func spelled(s, class, others string) bool {
	for i := range len(s) {
		if !inClass(s[i], class) && (i == 0 || strings.IndexByte(others, s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// inClass reports whether c is in one of the ranges of a class.
func inClass(c byte, class string) bool {
	for i := 0; i+2 < len(class); i += 3 {
		if class[i] <= c && c <= class[i+2] {
			return true
		}
	}
	return false
}

func (p *pattern) match(s string) bool {
	if p.plain != nil {
		return p.plain(s)
	}
	return p.re.MatchString(s)
}

// refuse says what is not so, and how it would be.
func (p *pattern) refuse(at place, written string) {
	hint := p.rule
	if lower := strings.ToLower(written); lower != written && p.match(lower) {
		hint = "did you mean " + lower + "?"
	}
	at.refuse(hint, "%q is not %s", written, p.what)
}

var truths = map[string]string{"true": "1", "1": "1", "false": "0", "0": "0"}

// digits is what checkNumber takes, for the JSON Schema.
var digits = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})$`)

// scalar checks one written word against a shape and returns its canonical
// text. It serves YAML scalars and the cells of a roster alike.
func (s *shape) scalar(at place, written string) (value, bool) {
	v := value{place: at, text: written}
	switch s.kind {
	case whole:
		return v, s.checkNumber(at, written)
	case truth:
		canonical, ok := truths[strings.ToLower(written)]
		if v.text = canonical; !ok {
			at.refuse("write true or false", "%q is neither true nor false", written)
		}
		return v, ok
	default:
		return v, s.checkText(at, written)
	}
}

func (s *shape) checkNumber(at place, written string) bool {
	n, err := strconv.Atoi(written)
	switch {
	case err != nil || n < 0 || len(written) > 10 || strconv.Itoa(n) != written:
		hint := "write digits only"
		if unit := strings.TrimLeft(written, "0123456789"); unit != written && unit != "" {
			hint = "write the number without a unit: memory and swap are in MiB, disks in GiB"
		}
		at.refuse(hint, "%q is not a whole number", written)
	case n < s.min:
		at.refuse("write "+strconv.Itoa(s.min)+" or more", "%d is too small", n)
	case s.max > 0 && n > s.max:
		at.refuse("write "+strconv.Itoa(s.max)+" or less", "%d is too large", n)
	default:
		return true
	}
	return false
}

// textLimit is Proxmox's own limit for a description, the longest text there is.
const textLimit = 8192

// obeyed reports whether a terminal or a reader's eye would obey a letter rather
// than see it. The marks of Hebrew and Arabic, which turn nothing but themselves,
// are none.
func obeyed(r rune) bool {
	return unicode.IsControl(r) || '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

// printable reports whether a text is plain ASCII on one line, as most are.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (s *shape) checkText(at place, written string) bool {
	switch {
	case strings.TrimSpace(written) == "":
		at.refuse("remove the key, or give it a value", "the value is empty")
	case len(written) > textLimit:
		at.refuse("shorten it to 8192 characters", "the text is too long")
	case !printable(written) && strings.ContainsFunc(written, func(r rune) bool { return obeyed(r) && r != '\n' && r != '\t' }):
		at.refuse("remove it", "the text holds a control character, or one that turns the direction of writing")
	case s.enum != nil && !slices.Contains(s.enum, written):
		at.refuse(suggest(written, s.enum), "%q is not one of %s", written, strings.Join(s.enum, ", "))
	case s.like != nil && !s.like.match(written):
		s.like.refuse(at, written)
	default:
		return true
	}
	return false
}
