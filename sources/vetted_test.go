package sources

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/provost-dev/provost/policies/trust"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// past is a history without git: commits in one line, or in several.
type past struct {
	commits map[string]*step
	head    string
	lost    map[string]bool // commits that cannot be read any more
}

type step struct {
	parent string
	tree   map[string]string
	when   time.Time
	signed []byte
	sig    string
}

func newPast() *past { return &past{commits: map[string]*step{}, lost: map[string]bool{}} }

var dawn = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// add makes a commit on the head: the parent's files with some changed ("" removes).
func (p *past) add(name string, by ssh.Signer, changes map[string]string) {
	tree := map[string]string{}
	if parent := p.commits[p.head]; parent != nil {
		maps.Copy(tree, parent.tree)
	}
	for path, text := range changes {
		if tree[path] = text; text == "" {
			delete(tree, path)
		}
	}
	s := &step{parent: p.head, tree: tree, when: dawn.Add(time.Duration(len(p.commits)) * time.Hour)}
	s.signed = fmt.Append(nil, name, p.head, tree)
	if by != nil {
		signature, err := sshsig.Sign(bytes.NewReader(s.signed), by, sshsig.HashSHA512, "git")
		if err != nil {
			panic(err) // an Ed25519 key signs anything
		}
		s.sig = string(sshsig.Armor(signature))
	}
	p.commits[name], p.head = s, name
}

func (p *past) snapshot(name string) reconciler.Snapshot {
	tree := projects.Tree{}
	for path, text := range p.commits[name].tree {
		tree[path] = projects.File{Data: []byte(text)}
	}
	return reconciler.Snapshot{Commit: name, Branch: "main", Tree: tree}
}

func (p *past) Latest(context.Context) (reconciler.Snapshot, error) { return p.snapshot(p.head), nil }

func (p *past) At(_ context.Context, name string) (reconciler.Snapshot, error) {
	return p.snapshot(name), nil
}

func (p *past) Merge(context.Context, reconciler.Snapshot, string, string) (projects.Tree, []string, string, error) {
	return nil, nil, "", errors.New("nobody asks for it")
}

func (p *past) Commit(_ context.Context, name string) (Commit, error) {
	s := p.commits[name]
	if s == nil || p.lost[name] {
		return Commit{}, errors.New("it is not there")
	}
	rules := ""
	for _, path := range slices.Sorted(maps.Keys(s.tree)) {
		if strings.HasPrefix(path, trust.Folder) {
			rules += path + s.tree[path]
		}
	}
	return Commit{Hash: name, When: s.when, Signed: s.signed, Signature: s.sig, Rules: rules}, nil
}

func (p *past) Commits(ctx context.Context, from, to string) ([]Commit, error) {
	var way []Commit
	for name := to; name != from; name = p.commits[name].parent {
		if name == "" {
			return nil, ErrNoDescent
		}
		c, _ := p.Commit(ctx, name)
		way = append(way, c)
	}
	slices.Reverse(way)
	return way, nil
}

func (p *past) Folder(_ context.Context, name, folder string) (projects.Tree, error) {
	tree := p.snapshot(name).Tree
	maps.DeleteFunc(tree, func(path string, _ projects.File) bool { return !strings.HasPrefix(path, folder) })
	return tree, nil
}

func (p *past) Changes(_ context.Context, from, to string) (Changes, error) {
	c := Changes{Before: p.snapshot(from).Tree, After: p.snapshot(to).Tree}
	all := maps.Clone(p.commits[from].tree)
	maps.Copy(all, p.commits[to].tree)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if string(c.Before[path].Data) != string(c.After[path].Data) {
			c.Paths = append(c.Paths, path)
		}
	}
	return c, nil
}

// registry is a forge that knows who is who.
type registry struct {
	stubForge
	members map[string][]string
	pushers map[string]string
	asked   int
	failing error
}

func (r *registry) Members(_ context.Context, group string) ([]string, error) {
	r.asked++
	return r.members[group], r.failing
}

func (r *registry) Pushers(context.Context, string, string) (map[string]string, error) {
	return r.pushers, r.failing
}

// key is a person's SSH key.
func key(seed byte) ssh.Signer {
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		panic(err)
	}
	return signer
}

func allowed(people map[string]ssh.Signer) string {
	text := ""
	for name, signer := range people {
		text += name + " " + string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	}
	return text
}

var camille, olivier, eve = key(1), key(2), key(3)

// signed are the rules under which camille signs projects and she or olivier policies.
var signed = map[string]string{
	"policies/signers.yaml": "apiVersion: provost/v1\nkind: Signers\nrules:\n" +
		"- {paths: policies/**, signers: [camille, olivier]}\n- {paths: projects/**, signers: camille}\n",
	"policies/keys/allowed_signers": allowed(map[string]ssh.Signer{"camille": camille, "olivier": olivier}),
}

// vet gives what is believed of a past, and what is refused, by a new process.
func vet(t *testing.T, p *past, v Vetting) (good, refused string, err error) {
	t.Helper()
	v.Log = quiet
	return seen(Vet(p, v).Latest(t.Context()))
}

func seen(snap reconciler.Snapshot, err error) (good, refused string, _ error) {
	var list []string
	for _, r := range snap.Refused {
		list = append(list, r.Commit+": "+r.Reason)
	}
	return snap.Commit, strings.Join(list, "; "), err
}

func TestTheChainOfSignatures(t *testing.T) {
	wiki := func(text string) map[string]string { return map[string]string{"projects/wiki.yaml": text} }
	withEve := map[string]string{"policies/keys/allowed_signers": signed["policies/keys/allowed_signers"] + allowed(map[string]ssh.Signer{"camille": eve})}
	for _, c := range []struct {
		name string
		make func(p *past)
		good string
		want string // within what is refused
	}{
		{"signed", func(p *past) { p.add("c", camille, wiki("2")) }, "c", ""},
		{"what needs none", func(p *past) { p.add("c", nil, map[string]string{"cohorts/a.yaml": "2"}) }, "c", ""},
		{"unsigned", func(p *past) { p.add("c", nil, wiki("2")) }, "b", "c: projects/wiki.yaml needs the signature of camille: it is not signed"},
		{"by another", func(p *past) { p.add("c", olivier, wiki("2")) }, "b", "it is signed by olivier"},
		{"by a stranger", func(p *past) { p.add("c", eve, wiki("2")) }, "b", "no signer has the SSH key"},
		{"admitting himself", func(p *past) {
			p.add("c", eve, maps.Clone(withEve))
		}, "b", "c: policies/keys/allowed_signers needs"},
		{"admitting himself, and using it", func(p *past) {
			p.add("c", eve, maps.Clone(withEve))
			p.add("d", eve, wiki("2"))
		}, "b", "d: policies/keys/allowed_signers needs"},
		{"doing away with the rules", func(p *past) {
			p.add("c", nil, map[string]string{"policies/signers.yaml": ""})
			p.add("d", nil, wiki("2"))
		}, "b", "d: policies/signers.yaml needs"},
		{"breaking the rules", func(p *past) {
			p.add("c", camille, map[string]string{"policies/signers.yaml": "rules: ["})
			p.add("d", nil, wiki("2"))
		}, "b", "c: policies/signers.yaml:2:1: cannot read as YAML"},
		{"bad and taken back", func(p *past) {
			p.add("c", nil, wiki("2"))
			p.add("d", nil, wiki("1"))
		}, "d", ""},
		{"bad and carried on", func(p *past) {
			p.add("c", nil, wiki("2"))
			p.add("d", nil, map[string]string{"cohorts/a.yaml": "2"})
		}, "b", "d: projects/wiki.yaml needs"},
		{"bad and vouched for", func(p *past) {
			p.add("c", nil, wiki("2"))
			p.add("d", camille, map[string]string{"cohorts/a.yaml": "2"})
		}, "d", ""},
		{"a key that is let in signs from then on", func(p *past) {
			p.add("c", olivier, maps.Clone(withEve))
			p.add("d", eve, wiki("2"))
		}, "d", ""},
		{"a key that is taken out signs no more", func(p *past) {
			p.add("c", camille, map[string]string{"policies/keys/allowed_signers": allowed(map[string]ssh.Signer{"camille": eve, "olivier": olivier})})
			p.add("d", camille, wiki("2"))
		}, "c", "no signer has the SSH key"},
		{"what a key signed before it was taken out stays", func(p *past) {
			p.add("c", camille, wiki("2"))
			p.add("d", olivier, map[string]string{"policies/keys/allowed_signers": allowed(map[string]ssh.Signer{"camille": eve, "olivier": olivier})})
		}, "d", ""},
		{"a date to come", func(p *past) {
			p.add("c", camille, wiki("2"))
			p.commits["c"].when = time.Now().AddDate(1, 0, 0)
		}, "b", "which is to come"},
		{"an expired key with an old date", func(p *past) {
			line := strings.Replace(signed["policies/keys/allowed_signers"], "camille ", `camille valid-before="20260902" `, 1)
			p.add("c", olivier, map[string]string{"policies/keys/allowed_signers": line})
			p.commits["c"].when = dawn.AddDate(0, 1, 0)
			p.add("d", camille, wiki("2"))
			p.commits["d"].when = dawn
		}, "c", "of camille was not valid on 2026-10-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPast()
			p.add("a", nil, wiki("1"))
			p.add("b", nil, maps.Clone(signed))
			file := filepath.Join(t.TempDir(), "state", "believed")
			v := Vet(p, Vetting{File: file, Log: quiet})
			if _, err := v.Latest(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.make(p)
			// The daemon that goes on, one that begins anew, one that has forgotten
			// everything, and one that believes from a commit on: all find the same.
			for _, who := range []struct {
				name string
				look func() (reconciler.Snapshot, error)
			}{
				{"the same", func() (reconciler.Snapshot, error) { return v.Latest(t.Context()) }},
				{"the same, again", func() (reconciler.Snapshot, error) { return v.Latest(t.Context()) }},
				{"another", func() (reconciler.Snapshot, error) {
					return Vet(p, Vetting{File: file, Log: quiet}).Latest(t.Context())
				}},
				{"forgotten", func() (reconciler.Snapshot, error) {
					return Vet(p, Vetting{File: filepath.Join(t.TempDir(), "x"), Log: quiet}).Latest(t.Context())
				}},
				{"since", func() (reconciler.Snapshot, error) {
					return Vet(p, Vetting{File: file, Since: "b", Log: quiet}).Latest(t.Context())
				}},
			} {
				good, refused, err := seen(who.look())
				if err != nil || good != c.good || (c.want == "") != (refused == "") || !strings.Contains(refused, c.want) {
					t.Errorf("%s: good %s, refused %q, %v; want %s, %q", who.name, good, refused, err, c.good, c.want)
				}
			}
		})
	}
}

func TestARewrittenBranch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "believed")
	p := newPast()
	p.add("a", nil, map[string]string{"x": "1"})
	p.add("b", nil, map[string]string{"x": "2"})
	v := Vet(p, Vetting{File: file, Log: quiet})
	if good, _, err := seen(v.Latest(t.Context())); good != "b" || err != nil {
		t.Fatal(good, err)
	}
	p.head = "a" // nobody is bound by rules: it is followed, as ever
	p.add("b2", nil, maps.Clone(signed))
	if good, refused, err := seen(v.Latest(t.Context())); good != "b2" || refused != "" || err != nil {
		t.Fatal(good, refused, err)
	}
	p.head = "a" // now somebody is
	p.add("b3", nil, map[string]string{"projects/a.yaml": "1"})
	for _, who := range []*Vetted{v, Vet(p, Vetting{File: file, Log: quiet})} {
		good, refused, err := seen(who.Latest(t.Context()))
		if good != "b2" || !strings.Contains(refused, "b3: the branch was rewritten and lacks b2") || err != nil {
			t.Error(good, refused, err)
		}
	}
	// Whoever configures the daemon may say so.
	if good, refused, err := vet(t, p, Vetting{File: file, Since: "b3"}); good != "b3" || refused != "" || err != nil {
		t.Error(good, refused, err)
	}
	if _, _, err := vet(t, p, Vetting{File: file, Since: "b2"}); err == nil || !strings.Contains(err.Error(), "does not descend from since") {
		t.Error(err)
	}
	if _, _, err := vet(t, p, Vetting{File: file, Since: "nowhere"}); err == nil || !strings.Contains(err.Error(), "since: nowhere: it is not there") {
		t.Error(err)
	}
}

// What was believed under rules and cannot be read any more is not replaced by a guess.
func TestWhatWasBelievedIsLost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "believed")
	p := newPast()
	p.add("a", nil, maps.Clone(signed))
	if _, _, err := vet(t, p, Vetting{File: file}); err != nil {
		t.Fatal(err)
	}
	p.head = ""
	p.add("b", nil, map[string]string{"x": "1"})
	p.lost["a"] = true
	if _, _, err := vet(t, p, Vetting{File: file}); err == nil || !strings.Contains(err.Error(), "set since:") {
		t.Error(err)
	}
	if good, _, err := vet(t, p, Vetting{File: file, Since: "b"}); good != "b" || err != nil {
		t.Error(good, err)
	}
	if err := os.WriteFile(file, []byte("no such words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if good, _, err := vet(t, p, Vetting{File: file}); good != "b" || err != nil {
		t.Error(good, err)
	}
}

func TestPushersAreJudged(t *testing.T) {
	rules := func(unowned string) map[string]string {
		return map[string]string{"policies/owners.yaml": "apiVersion: provost/v1\nkind: Owners\nunowned: " + unowned +
			"\nrules:\n- {paths: '**', who: group:admins}\n- {paths: projects/**, who: [ada]}\n"}
	}
	for _, c := range []struct {
		name, unowned string
		pushers       map[string]string
		failing       error
		good, want    string
	}{
		{"his own", "deny", map[string]string{"b": "ada", "c": "root"}, nil, "c", ""},
		{"beyond", "deny", map[string]string{"b": "ada", "c": "ada"}, nil, "b", "c: campus.yaml: not for ada to change, but for admins"},
		{"both in one push", "deny", map[string]string{"c": "ada"}, nil, "b", "c: campus.yaml: not for ada"},
		{"nobody knows", "deny", nil, nil, "a", "c: nobody knows who pushed it, and unowned: deny"},
		{"nobody knows, and nobody minds", "allow", nil, nil, "c", ""},
		{"the forge is down, though nobody minds", "allow", nil, errors.New("no answer"), "a", "nobody can tell who pushed it: no answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPast()
			p.add("a", nil, rules(c.unowned))
			forge := &registry{members: map[string][]string{"admins": {"Root"}}, pushers: c.pushers}
			v := Vet(p, Vetting{File: filepath.Join(t.TempDir(), "believed"), Push: NewPeople(forge), Log: quiet})
			if good, refused, err := seen(v.Latest(t.Context())); good != "a" || refused != "" || err != nil {
				t.Fatal(good, refused, err)
			}
			forge.failing = c.failing
			p.add("b", nil, map[string]string{"projects/a.yaml": "1"})
			p.add("c", nil, map[string]string{"campus.yaml": "1"})
			good, refused, err := seen(v.Latest(t.Context()))
			if err != nil || good != c.good || (c.want == "") != (refused == "") || !strings.Contains(refused, c.want) {
				t.Errorf("good %s, refused %q, %v; want %s, %q", good, refused, err, c.good, c.want)
			}
			forge.failing, forge.pushers = nil, map[string]string{"c": "root"}
			if good, refused, err := seen(v.Latest(t.Context())); good != "c" || err != nil {
				t.Errorf("after somebody who may: good %s, refused %q, %v", good, refused, err)
			}
		})
	}
}
