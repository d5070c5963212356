package trust

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/provost-dev/provost/projects"
)

// day is when the keys of these tests are made; they are good for a year.
var day = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)

func at(when time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return when }, Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: 365 * 24 * 3600}
}

// pgpPerson is somebody with an OpenPGP key.
type pgpPerson struct {
	t      testing.TB
	entity *openpgp.Entity
}

func newPGP(t testing.TB, name string) pgpPerson {
	t.Helper()
	entity, err := openpgp.NewEntity(name, "", name+"@isima.fr", at(day))
	if err != nil {
		t.Fatal(err)
	}
	return pgpPerson{t, entity}
}

func (p pgpPerson) public() string { return p.armored(openpgp.PublicKeyType, p.entity.Serialize) }

func (p pgpPerson) armored(kind string, write func(w io.Writer) error) string {
	p.t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := write(w); err != nil {
		p.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	return b.String()
}

func (p pgpPerson) sign(data []byte, when time.Time) string {
	p.t.Helper()
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, p.entity, bytes.NewReader(data), at(when)); err != nil {
		p.t.Fatal(err)
	}
	return b.String()
}

// sshPerson is somebody with an SSH key.
type sshPerson struct {
	t      testing.TB
	signer ssh.Signer
}

func newSSH(t testing.TB, seed byte) sshPerson {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return sshPerson{t, signer}
}

func (p sshPerson) public() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.signer.PublicKey())))
}

func (p sshPerson) sign(data []byte, namespace string) string {
	p.t.Helper()
	signature, err := sshsig.Sign(bytes.NewReader(data), p.signer, sshsig.HashSHA512, namespace)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(sshsig.Armor(signature))
}

const signersText = `apiVersion: provost/v1
kind: Signers
rules:
- paths: [policies/**, campus.yaml]
  signers: camille
- paths: projects/**
  signers: [camille, lena, forge]
`

var commit = []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor C <c@isima.fr> 1 +0000\ncommitter C <c@isima.fr> 1 +0000\n\nA change\n")

func signers(t *testing.T, files ...string) *Signers {
	t.Helper()
	rules, problems := Read(tree(append([]string{signersFile, signersText}, files...)...))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return rules.Signers
}

func TestSignatures(t *testing.T) {
	camille, mallory := newPGP(t, "camille"), newPGP(t, "mallory")
	lena, forge, eve := newSSH(t, 1), newSSH(t, 2), newSSH(t, 3)
	s := signers(t, "policies/keys/camille.asc", camille.public(), allowedFile,
		"# who signs\nlena namespaces=\"git\",valid-before=\"20270301\" "+lena.public()+" lena@isima.fr\n\nforge "+forge.public()+"\n")
	now := day.AddDate(0, 1, 0)
	for _, c := range []struct {
		name, path, signature string
		when                  time.Time
		want                  string // "" where it is believed
	}{
		{"OpenPGP", "campus.yaml", camille.sign(commit, now), now, ""},
		{"SSH", "projects/a.yaml", lena.sign(commit, "git"), now, ""},
		{"the forge's merge", "projects/a.yaml", forge.sign(commit, "git"), now, ""},
		{"a path without rule", "cohorts/a.yaml", "", now, ""},
		{"unsigned", "campus.yaml", "", now, "campus.yaml needs the signature of camille: it is not signed"},
		{"a key of another path", "policies/limits.yaml", lena.sign(commit, "git"), now, "policies/limits.yaml needs the signature of camille: it is signed by lena"},
		{"a stranger's SSH key", "projects/a.yaml", eve.sign(commit, "git"), now, "no signer has the SSH key SHA256:"},
		{"a stranger's OpenPGP key", "projects/a.yaml", mallory.sign(commit, now), now, fmt.Sprintf("no signer has the OpenPGP key %016X", mallory.entity.PrimaryKey.KeyId)},
		{"another commit's SSH signature", "projects/a.yaml", lena.sign([]byte("other"), "git"), now, "does not fit the commit"},
		{"another commit's OpenPGP signature", "projects/a.yaml", camille.sign([]byte("other"), now), now, "by camille is not good"},
		{"an SSH signature of a file", "projects/a.yaml", lena.sign(commit, "file"), now, `for "file" and not for git`},
		{"an SSH key that has expired", "projects/a.yaml", lena.sign(commit, "git"), day.AddDate(0, 7, 0), "of lena was not valid on 2027-04-01"},
		{"an OpenPGP key that has expired", "campus.yaml", camille.sign(commit, now), day.AddDate(2, 0, 0), "by camille is not good"},
		{"truncated SSH armor", "projects/a.yaml", lena.sign(commit, "git")[:120], now, "its SSH signature is damaged"},
		{"truncated OpenPGP armor", "projects/a.yaml", camille.sign(commit, now)[:90], now, "its OpenPGP signature is damaged"},
		{"another kind", "projects/a.yaml", "-----BEGIN SIGNED MESSAGE-----\n", now, "neither an OpenPGP nor an SSH one"},
		{"too long", "projects/a.yaml", strings.Repeat("a", 1<<20), now, "its signature is too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.Object(Commit{Signed: commit, Signature: c.signature, Changed: []string{c.path}, At: c.when})
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Every rule whose paths a commit changes has to be content.
func TestEachPathWantsItsOwn(t *testing.T) {
	camille, lena := newPGP(t, "camille"), newSSH(t, 1)
	forge := newSSH(t, 2)
	s := signers(t, "policies/keys/camille.asc", camille.public(), allowedFile, "lena "+lena.public()+"\nforge "+forge.public()+"\n")
	c := Commit{Signed: commit, Signature: lena.sign(commit, "git"), At: day,
		Changed: []string{"cohorts/x.yaml", "projects/a.yaml", "projects/b.yaml", "campus.yaml", "policies/limits.yaml"}}
	if got, want := s.Object(c), "campus.yaml and 1 more needs the signature of camille: it is signed by lena"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.Changed = c.Changed[:3]
	if got := s.Object(c); got != "" {
		t.Errorf("%q", got)
	}
	c.Changed, c.Signature = []string{"cohorts/x.yaml"}, "nonsense"
	if got := s.Object(c); got != "" {
		t.Errorf("a signature that nobody asked for: %q", got)
	}
	if got := (*Signers)(nil).Object(c); got != "" {
		t.Errorf("no rules: %q", got)
	}
}

func TestARevokedKeySignsNoMore(t *testing.T) {
	camille := newPGP(t, "camille")
	lena := newSSH(t, 1)
	signature := camille.sign(commit, day.AddDate(0, 2, 0))
	if err := camille.entity.RevokeKey(packet.KeyCompromised, "stolen", at(day.AddDate(0, 1, 0))); err != nil {
		t.Fatal(err)
	}
	s := signers(t, "policies/keys/camille.asc", camille.public(), allowedFile, "lena,forge "+lena.public()+"\n")
	got := s.Object(Commit{Signed: commit, Signature: signature, Changed: []string{"campus.yaml"}, At: day.AddDate(0, 2, 0)})
	if !strings.Contains(got, "by camille is not good") {
		t.Errorf("%q", got)
	}
}

// In rotation both keys stand in the file; when the old one goes it signs no more.
func TestRotation(t *testing.T) {
	old, young, lena := newPGP(t, "camille"), newPGP(t, "camille"), newSSH(t, 1)
	var both bytes.Buffer
	w, err := armor.Encode(&both, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []pgpPerson{old, young} {
		if err := p.entity.Serialize(w); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	for file, want := range map[string][2]bool{both.String(): {true, true}, young.public(): {false, true}} {
		s := signers(t, "policies/keys/camille.asc", file, allowedFile, "lena,forge "+lena.public()+"\n")
		for i, p := range []pgpPerson{old, young} {
			got := s.Object(Commit{Signed: commit, Signature: p.sign(commit, day), Changed: []string{"campus.yaml"}, At: day})
			if (got == "") != want[i] {
				t.Errorf("key %d of %d: %q", i, len(file), got)
			}
		}
	}
}

func TestSignersThatCannotBeRead(t *testing.T) {
	camille, lena := newPGP(t, "camille"), newSSH(t, 1)
	private := camille.armored(openpgp.PrivateKeyType, func(w io.Writer) error {
		return camille.entity.SerializePrivate(w, nil)
	})
	good := map[string]string{
		signersFile: signersText, "policies/keys/camille.asc": camille.public(), allowedFile: "lena,forge " + lena.public() + "\n",
	}
	for _, c := range []struct{ file, text, want string }{
		{signersFile, strings.Replace(signersText, "policies/**, ", "", 1), "no rule covers policies/signers.yaml"},
		{signersFile, strings.Replace(signersText, "policies/**", "policies/signers.yaml", 1), "no rule covers policies/keys/anybody.asc"},
		{signersFile, strings.Replace(signersText, "lena, ", "nobody, ", 1), "7:22: the signer nobody has no key"},
		{signersFile, strings.Replace(signersText, "projects/**", "projects/{login}.yaml", 1), "{login} means nothing here"},
		{signersFile, strings.Replace(signersText, "  signers: camille\n", "", 1), "the rule does not say who must sign"},
		{signersFile, "", "the file is empty"},
		{"policies/keys/camille.asc", camille.public()[:200], "cannot read the keys"},
		{"policies/keys/camille.asc", private, "revoke it"},
		{"policies/keys/camille.asc", lena.public(), "no complete armored block"},
		{"policies/keys/old.pub", lena.public(), "a key file ends in .asc"},
		{"policies/keys/old/x.asc", camille.public(), "keys lie directly in policies/keys/"},
		{allowedFile, "lena,forge cert-authority " + lena.public(), "certificate authorities are refused"},
		{allowedFile, "lena,forge namespaces=\"file\" " + lena.public(), "for file and not for git"},
		{allowedFile, "lena,forge valid-after=\"soon\" " + lena.public(), `"soon" is not a time`},
		{allowedFile, "lena,forge verify-required " + lena.public(), `unknown option "verify-required"`},
		{allowedFile, "*,lena,forge " + lena.public(), `"*" is not a plain name`},
		{allowedFile, "lena,forge ssh-ed25519 AAAA", "there is no SSH public key"},
		{allowedFile, "lena", "there is a name but no key"},
	} {
		files := []string{c.file, c.text}
		for file, text := range good {
			if file != c.file {
				files = append(files, file, text)
			}
		}
		rules, problems := Read(tree(files...))
		var all []string
		for _, p := range problems {
			all = append(all, p.String())
		}
		if rules.Signers != nil || !strings.Contains(strings.Join(all, "\n"), c.want) {
			t.Errorf("%s: %v, want %s", c.file, all, c.want)
		}
	}
}

func TestTheProblemsOfAKeyHoldNoKey(t *testing.T) {
	camille := newPGP(t, "camille")
	private := camille.armored(openpgp.PrivateKeyType, func(w io.Writer) error {
		return camille.entity.SerializePrivate(w, nil)
	})
	_, problems := Read(tree(signersFile, signersText, "policies/keys/camille.asc", private))
	secret := strings.Split(private, "\n")[3]
	if text := fmt.Sprintf("%+v", problems); strings.Contains(text, secret) {
		t.Errorf("it shows the key: %s", text)
	}
}

func FuzzAllowedSigners(f *testing.F) {
	key := base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + strings.Repeat("k", 32)))
	f.Add("lena ssh-ed25519 " + key + " lena@isima.fr\n")
	f.Add("a,b namespaces=\"git\",valid-after=\"20260101Z\",valid-before=\"202701011200\" ssh-ed25519 " + key)
	f.Add("* cert-authority ssh-ed25519 " + key)
	f.Fuzz(func(t *testing.T, text string) {
		signers, problems := readAllowed([]byte(text))
		for name, list := range signers {
			if !plainPrincipal.MatchString(name) || len(list) == 0 {
				t.Fatalf("signer %q with %d keys", name, len(list))
			}
		}
		for _, p := range problems {
			if p.Line < 1 {
				t.Fatalf("a problem without place: %v", p)
			}
		}
	})
}

// No text is taken for the signature of a signer but his own.
func FuzzSignature(f *testing.F) {
	camille, lena := newPGP(f, "camille"), newSSH(f, 1)
	rules, problems := Read(tree(signersFile, signersText, "policies/keys/camille.asc", camille.public(), allowedFile, "lena,forge "+lena.public()+"\n"))
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	other := []byte("another commit\n")
	f.Add(camille.sign(other, day))
	f.Add(lena.sign(other, "git"))
	f.Add(lena.sign(commit, "file"))
	f.Add("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n")
	f.Add("-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n")
	f.Fuzz(func(t *testing.T, signature string) {
		if rules.Signers.Object(Commit{Signed: commit, Signature: signature, Changed: []string{"projects/a.yaml"}, At: day}) == "" {
			t.Fatalf("believed: %q", signature)
		}
	})
}

func FuzzKeyring(f *testing.F) {
	f.Add(newPGP(f, "camille").public())
	f.Add("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEaLV\n-----END PGP PUBLIC KEY BLOCK-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		rules, problems := Read(projects.Tree{signersFile: {Data: []byte(signersText)}, "policies/keys/camille.asc": {Data: []byte(text)}})
		if rules.Signers != nil || len(problems) == 0 {
			t.Fatal("lena has no key, and nobody complains")
		}
	})
}
