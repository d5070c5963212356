package windows

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var scriptFiles = []string{"bootstrap.ps1", "common.ps1", "list.ps1", "apply.ps1"}

func TestCommandLineFitsCmd(t *testing.T) {
	line := CommandLine()
	if len(line) >= 8191 {
		t.Errorf("the command line has %d characters: cmd.exe takes 8191", len(line))
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Errorf("the command line holds %q", line[i])
	}
}

func TestScriptsAreASCII(t *testing.T) {
	// Windows PowerShell reads what has no byte-order mark as ANSI; ours
	// travels as UTF-8, but nobody should have to remember that.
	for _, file := range scriptFiles {
		text := readFile(t, file)
		for i, line := range strings.Split(text, "\n") {
			if strings.IndexFunc(line, func(r rune) bool { return r > '~' || r < ' ' }) >= 0 {
				t.Errorf("%s:%d: something other than printable ASCII", file, i+1)
			}
		}
	}
	if len(Scripts()) != 2 {
		t.Errorf("Scripts: %v", Scripts())
	}
}

func TestScriptsFollowTheGrammar(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the grammar of the scripts is not checked")
	}
	modules := nodeModules()
	if modules == "" {
		t.Skip("tree-sitter-powershell and web-tree-sitter are not installed (see PROVOST_NODE_MODULES): the grammar of the scripts is not checked")
	}
	check := func(files ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), node, append([]string{"--liftoff-only", "testdata/check.mjs"}, files...)...) // V8's second compiler takes seconds over the grammar
		cmd.Env = append(os.Environ(), "PROVOST_NODE_MODULES="+modules)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	dir := t.TempDir()
	var files []string
	for name, text := range map[string]string{
		"bootstrap": bootstrapScript, "bootstrap as sent": withoutComments(bootstrapScript),
		verbList: script(verbList), verbApply: script(verbApply),
	} {
		files = append(files, filepath.Join(dir, name+".ps1"))
		writeFile(t, files[len(files)-1], text)
	}
	if out, err := check(files...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	broken := filepath.Join(dir, "broken.ps1")
	writeFile(t, broken, "function Broken {\n    if ($x {\n}\n")
	if out, err := check(broken); err == nil {
		t.Errorf("the checker took a broken script: %s", out)
	}
}

// nodeModules is where the grammar is installed, "" when it is not.
func nodeModules() string {
	candidates := []string{os.Getenv("PROVOST_NODE_MODULES")}
	for dir, err := filepath.Abs("."); err == nil; dir = filepath.Dir(dir) {
		candidates = append(candidates, filepath.Join(dir, "node_modules"))
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for _, c := range candidates {
		_, err := os.Stat(filepath.Join(c, "tree-sitter-powershell", "tree-sitter-powershell.wasm"))
		if _, other := os.Stat(filepath.Join(c, "web-tree-sitter")); c != "" && err == nil && other == nil {
			return c
		}
	}
	return ""
}

func TestScriptsUseOnlyRealCmdlets(t *testing.T) {
	known := knownCmdlets(t)
	var all strings.Builder
	for _, file := range scriptFiles {
		all.WriteString(readFile(t, file))
	}
	uses, problems := checkCmdlets(all.String(), known)
	for _, p := range problems {
		t.Error(p)
	}
	for _, want := range []string{
		"Add-DnsServerResourceRecordA -IPv4Address", "Add-DnsServerResourceRecordA -TimeToLive",
		"Remove-DnsServerResourceRecord -InputObject", "Add-DhcpServerv4Filter -Force", "Get-DhcpServerv4Lease -ScopeId",
	} {
		if !uses[want] {
			t.Errorf("the check did not see %s: it is blind", want)
		}
	}
}

func TestScriptsNeverDoWhatTheyMustNot(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)\b(Invoke-Expression|iex|AllowUpdateAny|AgeRecord|CreatePtr|Invoke-DhcpServerv4FailoverReplication|Set-DhcpServerv4FilterList|ComputerName|CimSession)\b`)
	for _, file := range scriptFiles {
		for i, line := range strings.Split(readFile(t, file), "\n") {
			if word := forbidden.FindString(line); word != "" && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				t.Errorf("%s:%d: %s", file, i+1, word)
			}
		}
	}
}

func TestCheckCmdletsComplains(t *testing.T) {
	known := knownCmdlets(t)
	for name, text := range map[string]string{
		"no such cmdlet":    "function F {\n    Get-DnsServerThing\n}\n",
		"no such parameter": "function F {\n    Get-DnsServerZone -Zone x\n}\n",
		"no such splatted":  "function F {\n    $get = @{\n        Zone = 'x'\n    }\n    Get-DnsServerZone @get\n}\n",
		"no such added":     "function F {\n    $get = @{}\n    $get['Zone'] = 'x'\n    Get-DnsServerZone @get\n}\n",
		"wrong clause":      "function F {\n    $a = @{}\n    switch ($x) {\n        'A' {\n            $a['IPv6Address'] = 'x'\n            Add-DnsServerResourceRecordA @a\n        }\n    }\n}\n",
		"unknown splat":     "function F {\n    Get-DnsServerZone @get\n}\n",
	} {
		if _, problems := checkCmdlets(text, known); len(problems) != 1 {
			t.Errorf("%s: problems %q, want one", name, problems)
		}
	}
}

// knownCmdlets are the parameters of each cmdlet, both in lower case.
func knownCmdlets(t *testing.T) map[string][]string {
	t.Helper()
	var modules map[string]map[string][]string
	if err := json.Unmarshal([]byte(readFile(t, "testdata/cmdlets.json")), &modules); err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, cmdlets := range modules {
		for name, params := range cmdlets {
			known[strings.ToLower(name)] = strings.Split(strings.ToLower(strings.Join(params, " ")), " ")
		}
	}
	return known
}

var (
	cmdletPattern  = regexp.MustCompile(`(?:^|[\s({|])([A-Z][a-z]+-[A-Z]\w*)([^|;\n]*)`)
	paramPattern   = regexp.MustCompile(`\s-([A-Za-z]\w*)`)
	splatPattern   = regexp.MustCompile(`\s@([a-z]\w*)`)
	ownPattern     = regexp.MustCompile(`(?m)^function ([\w-]+)`)
	literalPattern = regexp.MustCompile(`^\$(\w+) = @\{(.*)$`)
	keyPattern     = regexp.MustCompile(`^(?:\$(\w+)\['(\w+)'\]|(\w+)) += `)
	clausePattern  = regexp.MustCompile(`^'.*' \{$`)
	stringPattern  = regexp.MustCompile(`'[^']*'`)
)

// checkCmdlets finds every cmdlet with its parameters, given directly or
// splatted from a hashtable of the same block, and says what is not real.
func checkCmdlets(text string, known map[string][]string) (uses map[string]bool, problems []string) {
	uses = map[string]bool{}
	own := map[string]bool{}
	for _, m := range ownPattern.FindAllStringSubmatch(text, -1) {
		own[m[1]] = true
	}
	tables := splats{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		code := strings.TrimSpace(line)
		if code == "" || strings.HasPrefix(code, "#") {
			continue
		}
		tables.read(len(line)-len(strings.TrimLeft(line, " ")), code)
		code = stringPattern.ReplaceAllString(code, "''")
		for _, m := range cmdletPattern.FindAllStringSubmatch(code, -1) {
			if own[m[1]] {
				continue
			}
			params, ok := known[strings.ToLower(m[1])]
			if !ok {
				problems = append(problems, fmt.Sprintf("%s is not a cmdlet that we know: %s", m[1], code))
				continue
			}
			given, missing := tables.params(m[2])
			if missing != "" {
				problems = append(problems, fmt.Sprintf("%s: nothing is known of @%s", m[1], missing))
			}
			for _, p := range given {
				uses[m[1]+" -"+p] = true
				if !slices.Contains(params, strings.ToLower(p)) {
					problems = append(problems, fmt.Sprintf("%s has no parameter %s: %s", m[1], p, code))
				}
			}
		}
	}
	return uses, problems
}

// splats are the hashtables in sight, by name, each key with its indentation: a
// key put in by one clause of a switch is forgotten in the next.
type splats map[string]map[string]int

func (s splats) read(indent int, code string) {
	if clausePattern.MatchString(code) {
		for _, keys := range s {
			maps.DeleteFunc(keys, func(_ string, at int) bool { return at > indent })
		}
	}
	if strings.HasPrefix(code, "function ") {
		clear(s)
	}
	if m := literalPattern.FindStringSubmatch(code); m != nil {
		s[m[1]] = map[string]int{}
		for pair := range strings.SplitSeq(strings.TrimSuffix(m[2], "}"), ";") {
			if name, _, ok := strings.Cut(pair, "="); ok {
				s[m[1]][strings.TrimSpace(name)] = indent
			}
		}
		if !strings.HasSuffix(code, "}") {
			s["\x00open"] = map[string]int{m[1]: indent}
		}
		return
	}
	if code == "}" {
		delete(s, "\x00open")
	}
	m := keyPattern.FindStringSubmatch(code)
	switch {
	case m == nil:
	case m[1] != "" && s[m[1]] != nil:
		s[m[1]][m[2]] = indent
	case m[3] != "":
		for name, at := range s["\x00open"] {
			s[name][m[3]] = at
		}
	}
}

// params are the names of the parameters in a command's arguments.
func (s splats) params(args string) (names []string, missing string) {
	for _, m := range paramPattern.FindAllStringSubmatch(args, -1) {
		if !operators[m[1]] {
			names = append(names, m[1])
		}
	}
	for _, m := range splatPattern.FindAllStringSubmatch(args, -1) {
		if s[m[1]] == nil {
			missing = m[1]
		}
		names = append(names, slices.Sorted(maps.Keys(s[m[1]]))...)
	}
	return names, missing
}

// operators look like parameters inside script blocks.
var operators = map[string]bool{
	"eq": true, "ne": true, "ceq": true, "cne": true, "ccontains": true, "cnotcontains": true, "like": true, "and": true, "or": true, "not": true, "le": true, "gt": true,
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
