package git

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/policies/trust"
	"github.com/provost-dev/provost/sources"
)

// maxCommit is more than any commit that people make has.
const maxCommit = 1 << 20

// readCommit reads a commit with what was signed of it, and its first parent.
func readCommit(st store, hash plumbing.Hash) (sources.Commit, plumbing.Hash, error) {
	obj, err := st.EncodedObject(plumbing.CommitObject, hash)
	if err != nil {
		return sources.Commit{}, plumbing.ZeroHash, broken("commit "+hash.String(), err)
	}
	if obj.Size() > maxCommit {
		return sources.Commit{}, plumbing.ZeroHash, fmt.Errorf("%w: commit %s is larger than 1 MiB", errTooMuch, hash)
	}
	from, err := obj.Reader()
	if err != nil {
		return sources.Commit{}, plumbing.ZeroHash, broken("commit "+hash.String(), err)
	}
	defer from.Close()
	raw, err := io.ReadAll(io.LimitReader(from, maxCommit))
	if err != nil {
		return sources.Commit{}, plumbing.ZeroHash, broken("commit "+hash.String(), err)
	}
	read, err := object.DecodeCommit(st, obj)
	if err != nil {
		return sources.Commit{}, plumbing.ZeroHash, broken("commit "+hash.String(), err)
	}
	out := sources.Commit{Hash: hash.String(), When: read.Committer.When.UTC().Truncate(time.Second)}
	if root, err := object.GetTree(st, read.TreeHash); err == nil {
		if e, err := root.FindEntry(strings.TrimSuffix(trust.Folder, "/")); err == nil {
			out.Rules = e.Hash.String()
		}
	}
	out.Signed, out.Signature = signedPart(raw, read)
	if len(read.ParentHashes) == 0 {
		return out, plumbing.ZeroHash, nil
	}
	return out, read.ParentHashes[0], nil
}

// signedPart takes a commit's signature out of it, as git does: what is left is
// what was signed. A commit that does not read the same to whoever signed it and
// to us, because a header comes twice or in another order, has no signature.
func signedPart(raw []byte, read *object.Commit) (signed []byte, signature string) {
	head, body, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		head, body = bytes.TrimSuffix(raw, []byte("\n")), nil
	}
	var kept, armor bytes.Buffer
	var headers []string
	name := ""
	for line := range bytes.Lines(append(head, '\n')) {
		if line[0] != ' ' {
			word, _, _ := bytes.Cut(line, []byte(" "))
			name = string(bytes.TrimSuffix(word, []byte("\n")))
			headers = append(headers, name)
		}
		switch {
		case name == "gpgsig" && line[0] == ' ':
			armor.Write(line[1:])
		case name == "gpgsig":
			armor.Write(bytes.TrimPrefix(line, []byte("gpgsig ")))
		default:
			kept.Write(line)
		}
	}
	if !wellFormed(headers, len(read.ParentHashes)) {
		return nil, ""
	}
	if ok {
		kept.WriteByte('\n')
		kept.Write(body)
	}
	return kept.Bytes(), armor.String()
}

// wellFormed reports whether headers come as git writes them: one tree, its
// parents, author, committer, and then others, of which only one is a signature.
func wellFormed(headers []string, parents int) bool {
	want := []string{"tree"}
	for range parents {
		want = append(want, "parent")
	}
	want = append(want, "author", "committer")
	if len(headers) < len(want) {
		return false
	}
	signatures := 0
	for i, name := range headers {
		switch {
		case i < len(want):
			if name != want[i] {
				return false
			}
		case name == "tree", name == "parent", name == "author", name == "committer", name == "gpgsig-sha256", name == "":
			return false
		case name == "gpgsig":
			signatures++
		}
	}
	return signatures <= 1
}
