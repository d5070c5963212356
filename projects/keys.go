package projects

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// keySet is the content of keys/<name>.pub: sorted authorized_keys lines.
type keySet struct {
	lines  []string
	broken string
}

// readKeys reads a file of public keys, one a line. A line that is no public
// key is refused: somebody who pastes a private key must hear of it before it
// is sent anywhere. f.text stays empty, so that no message shows the line.
func (f *file) readKeys(data []byte) keySet {
	var set keySet
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err != nil {
			place{f, i + 1, 1}.refuse("one public key a line, as in authorized_keys", "this is not a public key")
			continue
		}
		set.lines = append(set.lines, line)
	}
	if len(set.lines) == 0 && len(f.problems) == 0 {
		f.whole().refuse("add a public key, or delete the file", "the key set is empty")
	}
	slices.Sort(set.lines)
	set.lines = slices.Compact(set.lines)
	set.broken = f.broken()
	return set
}

// keySetName is the name of the key set in a path of the tree, or "".
func keySetName(p string) string {
	if path.Dir(p) != "keys" || path.Ext(p) != ".pub" {
		return ""
	}
	return strings.TrimSuffix(path.Base(p), ".pub")
}
