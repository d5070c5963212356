package watch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// target is what of a path counts.
type target struct {
	path string
	// files and trees are looked at: single files, and all files below.
	files []string
	trees []string
	// except is what does not count of a tree, or "".
	except string
}

// newTarget finds out what a path is. A git repository counts by what its
// branches are at: objects come before the reference that leads to them.
func newTarget(path string) (target, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return target{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return target{}, errors.Unwrap(err)
	}
	if !info.IsDir() {
		return target{path: path, files: []string{path}}, nil
	}
	if dir, ok := gitDir(path); ok {
		return target{
			path:  dir,
			files: []string{filepath.Join(dir, "HEAD"), filepath.Join(dir, "packed-refs")},
			trees: []string{filepath.Join(dir, "refs")},
			// Verdicts are written there: they must not ask for a pass.
			except: filepath.Join(dir, "refs", "notes"),
		}, nil
	}
	return target{path: path, trees: []string{path}}, nil
}

// gitDir finds where a repository keeps its references: in itself when bare, in
// .git, or, for a linked worktree, where its .git file leads.
func gitDir(path string) (string, bool) {
	dot := filepath.Join(path, ".git")
	if text, err := os.ReadFile(dot); err == nil {
		dot = relative(path, strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:")))
	}
	if common, err := os.ReadFile(filepath.Join(dot, "commondir")); err == nil {
		dot = relative(dot, strings.TrimSpace(string(common)))
	}
	for _, dir := range []string{dot, path} {
		if isDir(filepath.Join(dir, "objects")) && isDir(filepath.Join(dir, "refs")) {
			return dir, true
		}
	}
	return "", false
}

func relative(to, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(to, path)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// dirs are the directories to watch: those that hold a file, or what a symbolic
// link in its place leads to; and every one of a tree, with the one above it,
// which tells when the tree itself is replaced.
func (t target) dirs() []string {
	var out []string
	for _, file := range t.files {
		out = append(out, filepath.Dir(file))
		if led, err := filepath.EvalSymlinks(file); err == nil {
			out = append(out, filepath.Dir(led))
		}
	}
	for _, tree := range t.trees {
		out = append(out, filepath.Dir(tree))
		walk(tree, func(path string, d fs.DirEntry) {
			if d.IsDir() {
				out = append(out, path)
			}
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// covers reports whether an event at a path may be about the target. Beside a
// file everything counts, since its content may change by the swap of a
// neighbour: Kubernetes renames "..data" over the one before.
func (t target) covers(path string) bool {
	for _, tree := range t.trees {
		if path == tree || strings.HasPrefix(path, tree+string(filepath.Separator)) {
			return !t.ignored(path)
		}
	}
	if len(t.trees) > 0 {
		return slices.Contains(t.files, path)
	}
	return !t.ignored(path)
}

// ignored reports whether a file is only a step on the way to another one, or
// excepted.
func (t target) ignored(path string) bool {
	return strings.HasSuffix(path, ".lock") || t.except != "" && strings.HasPrefix(path, t.except+string(filepath.Separator))
}

// walk visits what is below a directory, as far as it can be read.
func walk(dir string, visit func(path string, d fs.DirEntry)) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // changed under our feet: there will be another event
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		visit(path, d)
		return nil
	})
}

// fingerprint is different where content is.
type fingerprint [sha256.Size]byte

// look takes the fingerprint of all targets as they are now.
func look(targets []target) fingerprint {
	h := sha256.New()
	for _, t := range targets {
		for _, file := range t.files {
			add(h, file)
		}
		for _, tree := range t.trees {
			walk(tree, func(path string, d fs.DirEntry) {
				if !d.IsDir() && !t.ignored(path) {
					add(h, path)
				}
			})
		}
	}
	return fingerprint(h.Sum(nil))
}

// add adds a file by name and content. One that is not there differs from one
// that is empty.
func add(to io.Writer, path string) {
	file, err := os.Open(path)
	if err != nil {
		fmt.Fprintf(to, "%q is not there\n", path)
		return
	}
	defer file.Close()
	h := sha256.New()
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		_, err = io.Copy(h, file)
		if err != nil {
			fmt.Fprintf(to, "%q cannot be read\n", path)
			return
		}
	}
	fmt.Fprintf(to, "%q %x\n", path, h.Sum(nil))
}
