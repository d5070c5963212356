package trust

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/provost-dev/provost/projects"
)

const (
	allowedFile = keysFolder + "allowed_signers"
	// namespace is what git says that an SSH signature is for.
	namespace = "git"
	// longestSignature is more than any key makes.
	longestSignature = 64 << 10
)

// keys are the keys of all signers, by signer.
type keys struct {
	pgp   map[string]openpgp.EntityList
	ssh   map[string][]sshKey
	files []string // where they were read from
}

// sshKey is one line of allowed_signers.
type sshKey struct {
	key           ssh.PublicKey
	after, before time.Time // when it is good; zero for no bound
}

func (k keys) has(name string) bool { return len(k.pgp[name]) > 0 || len(k.ssh[name]) > 0 }

// readKeys reads the folder of keys. Every file in it must be one that is read:
// a key that was saved under a wrong name must not be missed in silence.
func readKeys(tree projects.Tree) (keys, []projects.Problem) {
	k := keys{pgp: map[string]openpgp.EntityList{}, ssh: map[string][]sshKey{}}
	var problems []projects.Problem
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if !strings.HasPrefix(name, keysFolder) {
			continue
		}
		k.files = append(k.files, name)
		r, data := open(tree, name)
		if len(r.Problems) > 0 {
			problems = append(problems, r.Problems...)
			continue
		}
		base := path.Base(name)
		switch signer, armored := strings.CutSuffix(base, ".asc"); {
		case path.Dir(name)+"/" != keysFolder:
			r.Complain(nil, "move it to "+keysFolder, "keys lie directly in %s", keysFolder)
		case armored:
			list, err := readKeyring(data)
			if err != nil {
				r.Complain(nil, "gpg --armor --export NAME writes such a file", "cannot read the keys: %v", err)
			}
			k.pgp[signer] = list
		case name == allowedFile:
			k.ssh, r.Problems = readAllowed(data)
		default:
			r.Complain(nil, "call it NAME.asc, or add it to "+allowedFile, "a key file ends in .asc")
		}
		problems = append(problems, r.Problems...)
	}
	return k, problems
}

// shield takes a panic of the OpenPGP library for an error: it has met packets
// that it did not expect, and anybody may push a commit with such a signature.
func shield(err *error) {
	if recover() != nil {
		*err = errors.New("it holds packets that cannot be read")
	}
}

// readKeyring reads armored OpenPGP public keys.
func readKeyring(data []byte) (list openpgp.EntityList, err error) {
	defer shield(&err)
	block, err := armor.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("there is no complete armored block")
	}
	if block.Type == openpgp.PrivateKeyType {
		return nil, errors.New("the file holds a private key: revoke it, everybody has seen it")
	}
	if block.Type != openpgp.PublicKeyType {
		return nil, fmt.Errorf("the file holds a %s", strings.ToLower(block.Type))
	}
	if list, err = openpgp.ReadKeyRing(block.Body); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("the file holds no key that can be used")
	}
	for _, entity := range list {
		if entity.PrivateKey != nil {
			return nil, errors.New("the file holds a private key: revoke it, everybody has seen it")
		}
	}
	return list, nil
}

// whoSigned names the signers who hold the key that signed a commit, sorted; the
// error says why there are none.
func (k keys) whoSigned(c Commit) ([]string, error) {
	text := strings.TrimSpace(c.Signature)
	switch {
	case text == "":
		return nil, errors.New("it is not signed")
	case len(text) > longestSignature:
		return nil, errors.New("its signature is too long")
	case strings.HasPrefix(text, "-----BEGIN SSH SIGNATURE-----"):
		return k.sshSigners(c, text)
	case strings.HasPrefix(text, "-----BEGIN PGP SIGNATURE-----"):
		return k.pgpSigners(c, text)
	}
	return nil, errors.New("its signature is neither an OpenPGP nor an SSH one")
}

func (k keys) sshSigners(c Commit, text string) ([]string, error) {
	signature, err := sshsig.Unarmor([]byte(text))
	if err != nil {
		return nil, errors.New("its SSH signature is damaged")
	}
	if signature.Namespace != namespace {
		return nil, fmt.Errorf("its SSH signature is for %q and not for git", signature.Namespace)
	}
	mark := ssh.FingerprintSHA256(signature.PublicKey)
	var by []string
	var late error
	for name, list := range k.ssh {
		for _, key := range list {
			if !bytes.Equal(key.key.Marshal(), signature.PublicKey.Marshal()) {
				continue
			}
			if !key.after.IsZero() && c.At.Before(key.after) || !key.before.IsZero() && !c.At.Before(key.before) {
				late = fmt.Errorf("the SSH key %s of %s was not valid on %s", mark, name, c.At.UTC().Format(time.DateOnly))
				continue
			}
			by = append(by, name)
		}
	}
	switch {
	case len(by) == 0 && late != nil:
		return nil, late
	case len(by) == 0:
		return nil, fmt.Errorf("no signer has the SSH key %s", mark)
	}
	if err := sshsig.Verify(bytes.NewReader(c.Signed), signature, signature.PublicKey, signature.HashAlgorithm, namespace); err != nil {
		return nil, errors.New("its SSH signature does not fit the commit")
	}
	slices.Sort(by)
	return slices.Compact(by), nil
}

func (k keys) pgpSigners(c Commit, text string) (by []string, err error) {
	defer shield(&err)
	block, err := armor.Decode(strings.NewReader(text))
	if err != nil || block.Type != openpgp.SignatureType {
		return nil, errors.New("its OpenPGP signature is damaged")
	}
	config := &packet.Config{Time: func() time.Time { return c.At }}
	var data bytes.Buffer
	if _, err := data.ReadFrom(block.Body); err != nil {
		return nil, errors.New("its OpenPGP signature is damaged")
	}
	var reason error
	for name, list := range k.pgp {
		_, err := openpgp.CheckDetachedSignature(list, bytes.NewReader(c.Signed), bytes.NewReader(data.Bytes()), config)
		if err == nil {
			by = append(by, name)
		} else if !errors.Is(err, pgperrors.ErrUnknownIssuer) {
			reason = fmt.Errorf("its OpenPGP signature by %s is not good: %w", name, err)
		}
	}
	switch {
	case len(by) > 0:
		slices.Sort(by)
		return by, nil
	case reason != nil:
		return nil, reason
	}
	return nil, fmt.Errorf("no signer has %s", issuer(data.Bytes()))
}

// issuer names the key that an OpenPGP signature says it is from.
func issuer(data []byte) string {
	p, err := packet.Read(bytes.NewReader(data))
	if s, ok := p.(*packet.Signature); err == nil && ok && s.IssuerKeyId != nil {
		return fmt.Sprintf("the OpenPGP key %016X", *s.IssuerKeyId)
	}
	return "an OpenPGP key"
}
