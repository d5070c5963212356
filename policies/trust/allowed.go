package trust

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provost-dev/provost/policies/strict"
	"github.com/provost-dev/provost/projects"
)

// plainPrincipal is a name without the wildcards that ssh-keygen knows: a key is
// one signer's or several's, never anybody's.
var plainPrincipal = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+-]*$`)

// readAllowed reads a file of the format ALLOWED SIGNERS in ssh-keygen(1):
//
//	camille,olivier namespaces="git",valid-before="20270101" ssh-ed25519 AAAA… comment
//
// Certificate authorities are refused: whom they will certify nobody can read here.
func readAllowed(data []byte) (map[string][]sshKey, []projects.Problem) {
	r := strict.Reader{File: allowedFile, Lines: strings.Split(string(data), "\n")}
	byName := map[string][]sshKey{}
	for i, line := range r.Lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		names, key, err := parseAllowed(line)
		if err != nil {
			r.ComplainAt(i+1, "write: NAME ssh-ed25519 AAAA…", "cannot read the signer: %v", err)
			continue
		}
		for _, name := range names {
			byName[name] = append(byName[name], key)
		}
	}
	return byName, r.Problems
}

func parseAllowed(line string) (names []string, key sshKey, err error) {
	principals, rest, ok := strings.Cut(line, " ")
	if !ok {
		return nil, sshKey{}, errors.New("there is a name but no key")
	}
	names = strings.Split(principals, ",")
	for _, name := range names {
		if !plainPrincipal.MatchString(name) {
			return nil, sshKey{}, fmt.Errorf("%q is not a plain name", name)
		}
	}
	// What follows is a line of authorized_keys, with options of its own.
	public, _, options, more, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil || len(more) > 0 {
		return nil, sshKey{}, errors.New("there is no SSH public key")
	}
	if _, certificate := public.(*ssh.Certificate); certificate {
		return nil, sshKey{}, errors.New("certificates are refused: name the keys themselves")
	}
	key.key = public
	for _, option := range options {
		if err := key.option(option); err != nil {
			return nil, sshKey{}, err
		}
	}
	return names, key, nil
}

func (k *sshKey) option(text string) (err error) {
	name, value, _ := strings.Cut(text, "=")
	value = strings.Trim(value, `"`)
	switch strings.ToLower(name) {
	case "namespaces":
		if value != namespace {
			return fmt.Errorf("the key is for %s and not for git", value)
		}
	case "valid-after":
		k.after, err = validTime(value)
	case "valid-before":
		k.before, err = validTime(value)
	case "cert-authority":
		return errors.New("certificate authorities are refused: name the keys themselves")
	default:
		return fmt.Errorf("unknown option %q", name)
	}
	return err
}

// validTime reads YYYYMMDD or YYYYMMDDHHMM[SS], with Z. Without it ssh-keygen
// would take the time zone of the machine; here everything is UTC.
func validTime(text string) (time.Time, error) {
	text = strings.TrimSuffix(text, "Z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 20270101 or 202701011200Z", text)
}
