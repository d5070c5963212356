package git

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// Bounds of a pack. A megabyte of it can unfold to gigabytes, and go-git
// unfolds an object in memory; so a pack is kept aside and its sizes are read
// before go-git sees it.
const (
	maxPack     = 512 << 20 // bytes as they come
	maxObject   = 64 << 20  // bytes of one object, unfolded
	maxUnfolded = 2 << 30   // bytes of all objects, unfolded
	maxObjects  = 5_000_000
)

// errTooMuch says that what was pushed is beyond the bounds of packs or trees.
var errTooMuch = errors.New("what was pushed is refused: find out who pushed it")

// storePack puts a pack into the store, or nothing of it.
func storePack(st storer.PackfileWriter, dir string, pack io.Reader) error {
	file, err := os.CreateTemp(dir, "incoming-*.pack")
	if err != nil {
		return fmt.Errorf("cannot keep its pack: %w", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	n, err := io.Copy(file, io.LimitReader(pack, maxPack+1))
	if err != nil {
		return fmt.Errorf("cannot receive its pack: %w", err)
	}
	if n > maxPack {
		return fmt.Errorf("%w: its pack has more than %d MiB", errTooMuch, maxPack>>20)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := checkPack(file); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := packfile.WritePackfileToObjectStorage(st, file); err != nil {
		return fmt.Errorf("cannot store its pack: %w", err)
	}
	return nil
}

// checkPack reads the sizes that a pack declares for its objects.
func checkPack(pack io.Reader) error {
	scanner := packfile.NewScanner(pack)
	_, count, err := scanner.Header()
	if err != nil {
		return fmt.Errorf("cannot read its pack: %w", err)
	}
	if count > maxObjects {
		return fmt.Errorf("%w: its pack has %d objects", errTooMuch, count)
	}
	var total int64
	for range count {
		size, err := unfolded(scanner)
		if err != nil {
			return err
		}
		if total += size; total > maxUnfolded {
			return fmt.Errorf("%w: its objects have more than %d MiB together", errTooMuch, maxUnfolded>>20)
		}
	}
	return nil
}

// unfolded gives the size of the next object, and skips it.
func unfolded(scanner *packfile.Scanner) (int64, error) {
	header, err := scanner.NextObjectHeader()
	if err != nil {
		return 0, fmt.Errorf("cannot read its pack: %w", err)
	}
	if header.Length < 0 || header.Length > maxObject {
		return 0, tooLarge(header.Length)
	}
	var start prefix
	if _, _, err := scanner.NextObject(&start); err != nil {
		return 0, fmt.Errorf("cannot read its pack: %w", err)
	}
	switch header.Type {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
		return header.Length, nil
	case plumbing.OFSDeltaObject, plumbing.REFDeltaObject:
		size, ok := start.target()
		if !ok || size > maxObject {
			return 0, tooLarge(int64(min(size, 1<<62)))
		}
		return int64(size), nil
	default:
		return 0, fmt.Errorf("%w: its pack has objects of an unknown type", errTooMuch)
	}
}

func tooLarge(size int64) error {
	return fmt.Errorf("%w: its pack has an object of %d MiB, more than %d", errTooMuch, size>>20, maxObject>>20)
}

// prefix keeps the first bytes that are written to it: a delta begins with the
// size of what it changes and the size of what comes of it.
type prefix struct {
	data [2 * binary.MaxVarintLen64]byte
	n    int
}

func (p *prefix) Write(b []byte) (int, error) {
	p.n += copy(p.data[p.n:], b)
	return len(b), nil
}

// target is the second number, the size after the delta was applied.
func (p *prefix) target() (uint64, bool) {
	rest := p.data[:p.n]
	_, n := binary.Uvarint(rest)
	if n <= 0 {
		return 0, false
	}
	size, n := binary.Uvarint(rest[n:])
	return size, n > 0
}
