package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/projects"
)

// Bounds of a tree. A few trees that hold one another many times unfold to
// billions of files; so what is counted is what comes out, folders included.
const (
	maxFile    = 1 << 20
	maxContent = 256 << 20
	maxEntries = 100_000
	maxDepth   = 64
)

// entry is what a tree says of one path.
type entry struct {
	hash    plumbing.Hash
	mode    filemode.FileMode
	refused string // why its content is not handed over, or ""
}

// entries are the files of a tree by path, at any depth.
type entries map[string]entry

// list walks a tree without reading any file.
func list(ctx context.Context, st store, root plumbing.Hash) (entries, error) {
	l := lister{ctx: ctx, st: st, found: entries{}}
	if err := l.walk(root, "", 0); err != nil {
		return nil, err
	}
	return l.found, nil
}

type lister struct {
	ctx   context.Context
	st    store
	found entries
	seen  int
}

func (l *lister) walk(hash plumbing.Hash, dir string, depth int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: its folders are nested deeper than %d", errTooMuch, maxDepth)
	}
	tree, err := object.GetTree(l.st, hash)
	if err != nil {
		return broken("folder "+path.Join("/", dir), err)
	}
	if l.seen += len(tree.Entries); l.seen > maxEntries {
		return fmt.Errorf("%w: its tree holds more than %d files and folders", errTooMuch, maxEntries)
	}
	names := make(map[string]bool, len(tree.Entries))
	for _, e := range tree.Entries {
		if names[e.Name] {
			l.found[path.Join(dir, spelledOut(e.Name))] = entry{refused: "stands twice in its folder"}
			continue
		}
		names[e.Name] = true
		if err := l.add(e, dir, depth); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) add(e object.TreeEntry, dir string, depth int) error {
	name := path.Join(dir, e.Name)
	if !validName(e.Name) {
		// The name itself may lead elsewhere, so a harmless spelling stands for it.
		name = path.Join(dir, spelledOut(e.Name))
		l.found[name] = entry{hash: e.Hash, mode: e.Mode, refused: "has a name that no file may have here"}
		return nil
	}
	if e.Mode == filemode.Dir {
		return l.walk(e.Hash, name, depth+1)
	}
	l.found[name] = entry{hash: e.Hash, mode: e.Mode, refused: refusal(e.Mode)}
	return nil
}

// spelledOut is a name as one part of a path, whatever it holds.
func spelledOut(name string) string {
	return strings.ReplaceAll(fmt.Sprintf("%+q", name), "/", `\x2f`)
}

func refusal(mode filemode.FileMode) string {
	switch mode {
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
		return ""
	case filemode.Symlink:
		return "is a symbolic link"
	case filemode.Submodule:
		return "is a submodule"
	default:
		return fmt.Sprintf("is of an unknown kind (mode %o)", uint32(mode))
	}
}

// validName reports whether a name is one part of a path and nothing cleverer, and
// can be shown: what turns the direction of writing would lie about its ending.
func validName(name string) bool {
	switch {
	case name == "", name == ".", name == "..", strings.EqualFold(name, ".git"):
		return false
	case strings.ContainsAny(name, `/\`), !utf8.ValidString(name):
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Bidi_Control) }) < 0
}

// blobs remembers the content of files, so that a commit that changes one file
// of a thousand reads one. The bytes are shared by trees, which are read-only.
type blobs map[plumbing.Hash]projects.File

// read gives the content of entries, taking from known what is there already.
func (b blobs) read(ctx context.Context, st store, found entries, known blobs) (projects.Tree, error) {
	tree := make(projects.Tree, len(found))
	total := 0
	for name, e := range found {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.refused != "" {
			tree[name] = projects.File{Refused: e.refused}
			continue
		}
		file, err := b.file(st, e.hash, known)
		if err != nil {
			return nil, broken(name, err)
		}
		if total += len(file.Data); total > maxContent {
			return nil, fmt.Errorf("%w: its files hold more than %d MiB together", errTooMuch, maxContent>>20)
		}
		tree[name] = file
	}
	return tree, nil
}

// file is the content of one blob, and remembers it.
func (b blobs) file(st store, hash plumbing.Hash, known blobs) (projects.File, error) {
	file, ok := b[hash]
	if !ok {
		file, ok = known[hash]
	}
	if !ok {
		var err error
		if file, err = readFile(st, hash); err != nil {
			return projects.File{}, err
		}
	}
	b[hash] = file
	return file, nil
}

func readFile(st store, hash plumbing.Hash) (projects.File, error) {
	size, err := st.EncodedObjectSize(hash)
	if err != nil {
		return projects.File{}, err
	}
	if size > maxFile {
		return projects.File{Refused: "is larger than 1 MiB"}, nil
	}
	obj, err := st.EncodedObject(plumbing.BlobObject, hash)
	if err != nil {
		return projects.File{}, err
	}
	r, err := obj.Reader()
	if err != nil {
		return projects.File{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("it is larger than it said")
	}
	return projects.File{Data: data}, err
}
