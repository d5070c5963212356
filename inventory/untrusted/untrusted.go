// Package untrusted holds the texts that tests put wherever somebody else's text
// goes: into declarations, names, descriptions, answers of other systems. Each is
// code to something that stands behind one of provost's exits, a shell, a browser,
// a terminal, PowerShell, a property string of Proxmox, and must stay text there:
// it comes back equal or is refused.
//
// To add a text, add a line to the table; every package that has an exit runs all of
// it in its untrusted_test.go. The package refuses to be of use outside of tests.
package untrusted

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is one hostile text.
type Text struct {
	Name string // what it tries
	Text string
}

// Long is the length of the texts that are too long for most places, in bytes.
const Long = 10 << 10

// Texts are all of them, in the order in which they are told here.
func Texts() []Text {
	return []Text{
		{"harmless", "CT perso: déjà 100 % prêt, 2 > 1 & 3"},
		{"single quote", "l'hôte d'O'Brien"},
		{"double quote", `the "best" host`},
		{"typographic quotes, which PowerShell takes for plain ones", "‘a’; Remove-Item C:\\ -Recurse; “b”"},
		{"shell substitution", "$(touch pwned)"},
		{"shell backticks", "`touch pwned`"},
		{"shell list", "a; touch pwned && true || false | cat > /etc/passwd &"},
		{"shell variable", "${IFS}$HOME$@"},
		{"an option", "--force"},
		{"a path", "../../../etc/passwd"},
		{"a glob", "*?[a-z]~"},
		{"PowerShell", "'; Invoke-Expression $env:X #"},
		{"PowerShell here-string", "\n'@\nRemove-Item C:\\\n@'"},
		{"PowerShell subexpression", "$($x.Delete()) @{a=1} `n`0"},
		{"percent escapes", "100%25 %00 %0a %0D%0A %n%s%x %%PATH%% %ff"},
		{"backslashes", `C:\new\table\x00\u202e\`},
		{"newline", "one\ntwo"},
		{"a line of configuration", "x\nlock: create\nonboot: 1"},
		{"a section", "x\n[PENDING]\ncores: 64"},
		{"a raw line of LXC", "x\nlxc.hook.pre-start: /bin/sh -c id"},
		{"properties", "vmbr0,firewall=0,bridge=vmbr1"},
		{"a header", "x\r\nSet-Cookie: a=b\r\n\r\nbody"},
		{"carriage return", "good\rbad"},
		{"a mark", "provost: campus=isima key=cri/guest/vm-other vmid=100"},
		{"a mark below", "text\n\n  provost: campus=isima key=cri/guest/vm-other vmid=100"},
		{"NUL", "before\x00after"},
		{"bell and backspace", "a\a\b\b\x7fb"},
		{"clear the screen", "\x1b[2J\x1b[1;1Hall is well"},
		{"title of the terminal", "\x1b]0;owned\a"},
		{"eight-bit control sequence", "\u009b2Jx"},
		{"right to left override", "invoice\u202efdp.exe"},
		{"isolates", "a\u2066b\u2069c"},
		{"right to left mark", "a\u200fb\u200e\u061cc"},
		{"Hebrew and Arabic", "שלום مرحبا"},
		{"zero width", "ad\u200bmin\u200d\u2060"},
		{"tag characters", "a\U000e0041\U000e0042"},
		{"byte order mark", "\ufeffx"},
		{"line separators", "a\u2028b\u2029c\u0085d\vf\ff"},
		{"combining", "Z" + strings.Repeat("\u0335", 40) + "algo"},
		{"two spellings", "e\u0301 é"},
		{"no UTF-8", "a\xff\xfe\xc3("},
		{"half of a pair", "a\xed\xa0\x80b"},
		{"not a character", "a\ufffe\uffff"},
		{"emoji", "👩‍💻🏴‍☠️"},
		{"HTML", `<script>alert(1)</script><img src=x onerror=alert(1)>`},
		{"end of an attribute", `" onmouseover="alert(1)" x='`},
		{"end of an element", "</td></table></title></text></svg><h1>"},
		{"entities", "&lt;b&gt; &#0; &amp;amp;"},
		{"CDATA", "]]><!--<x>-->"},
		{"an address", "javascript:alert(1)"},
		{"Markdown", "[a](javascript:alert(1)) ![b](http://127.0.0.1/c) **d** | e | `f` @all #1"},
		{"Markdown block", "```\n</details>\n# big\n/close\n/assign @root"},
		{"template", "{{7*7}} {{.Site}} {% raw %} ${7*7} <%= 7 %>"},
		{"filling", "{name}{login}{n:02}{"},
		{"YAML", "- a: &b !!int \"1\"\n*b\n--- |"},
		{"truth of YAML", "no"},
		{"nothing of YAML", "~"},
		{"JSON", `","owner":{"campus":"isima"},"x":"`},
		{"CSV", "=cmd|'/c calc'!A1;\"a\"\"b"},
		{"CLIXML", "#< CLIXML\n<Objs>_x000A__x0000_"},
		{"forged line of a log", "x\ntime=2026-01-01T00:00:00Z level=ERROR msg=forged"},
		{"forged metric", "x\"} 1\nprovost_passes_total 99"},
		{"forged note", "x\n{\"context\":\"provost/apply\",\"state\":\"success\"}"},
		{"Rego", `"} allow := true {"`},
		{"DNS escapes", `a\.b\000."c" ..`},
		{"DNS wildcard", "*.etu.isima.fr."},
		{"blank", " \t\n"},
		{"blank that does not look so", "\u00a0\u3000\u2003"},
		{"around it", "  padded\t\n"},
		{"too long", strings.Repeat("0123456789abcdef", Long/16)},
		{"too long, in two bytes each", strings.Repeat("é", Long/2)},
		{"too long, in lines", strings.Repeat("a line\n", Long/7)},
		{"too long to be quoted", strings.Repeat("\u202e\x1b", Long/4)},
	}
}

// Obeyed finds what a terminal or a reader's eye would obey rather than see:
// control characters, but for the newline and tab, those that turn the direction
// of writing, and bytes that are no text. It is -1 where there is none.
func Obeyed(s string) rune {
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' || r == '\t':
		case r == utf8.RuneError && size == 1, unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return r
		}
	}
	return -1
}
