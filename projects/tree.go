package projects

// Tree is a commit's files by slash-separated path. It is read-only.
type Tree map[string]File

// File is one file of a tree.
type File struct {
	Data []byte
	// Refused says why the source would not hand over the content ("is a
	// symbolic link", "is larger than 1 MiB"); Data is then empty.
	Refused string
}

// size is the number of bytes of all files.
func (t Tree) size() int {
	n := 0
	for _, f := range t {
		n += len(f.Data)
	}
	return n
}
