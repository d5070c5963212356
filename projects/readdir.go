package projects

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// ReadDir reads a folder as a tree, for checking declarations before they are
// committed. Like a source it hands symbolic links and files over 1 MiB over as
// refused, without opening the former or reading all of the latter. Hidden files
// and folders (.git) are not part of it.
func ReadDir(fsys fs.FS) (Tree, error) {
	tree := Tree{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		tree[p], err = readEntry(fsys, p, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the declarations: %v", err)
	}
	return tree, nil
}

func readEntry(fsys fs.FS, p string, d fs.DirEntry) (File, error) {
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		return File{Refused: "is a symbolic link"}, nil
	case !d.Type().IsRegular():
		return File{Refused: "is not a plain file"}, nil
	}
	f, err := fsys.Open(p)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return File{}, err
	}
	if len(data) > maxFile {
		return File{Refused: "is larger than 1 MiB"}, nil
	}
	return File{Data: data}, nil
}
