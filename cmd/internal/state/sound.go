package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
)

// sound looks through a bbolt file before bbolt maps it. That trusts the pages
// that it finds: one damaged by a disk, by a copy cut short, or by hand can send
// it round in circles, or beyond the end of its map, where Go cannot catch the
// fault. So everything that bbolt will follow is followed here first, on plain
// bytes: the newest of the two meta pages, the tree below it, the list of free
// pages. Each page may be met once.
//
// The format has been the same since 2013 (version 2); bbolt's internal/common
// and https://github.com/etcd-io/bbolt describe it.
func sound(file []byte) error {
	m, err := newestMeta(file)
	if err != nil {
		return err
	}
	w := &walker{file: file, meta: m, met: map[uint64]bool{0: true, 1: true}}
	if m.pages*m.pageSize > uint64(len(file)) || m.pages > uint64(len(file)) {
		return fmt.Errorf("it has %d bytes of %d", len(file), m.pages*m.pageSize)
	}
	if err := w.tree(m.root, mostDepth); err != nil {
		return err
	}
	return w.free(m.freelist)
}

const (
	magic       = 0xED0CDAED
	formatNow   = 2
	headerSize  = 16 // of a page: id, flags, count, overflow
	elementSize = 16
	metaSize    = 64
	mostDepth   = 64 // of the tree; a file of ours has three or four levels

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	leafBucket   = 0x01 // of an element: the value is a bucket
)

type meta struct {
	pageSize, root, freelist, pages, tx uint64
}

// newestMeta is the meta page that bbolt will use. The second stands after the
// first page, whatever its size.
func newestMeta(file []byte) (newest meta, err error) {
	err = errors.New("it does not begin as a state file")
	for size := uint64(512); size <= 1<<16; size *= 2 {
		for _, at := range []uint64{0, size} {
			if m, ok := readMeta(file, at); ok && m.pageSize == size && m.tx >= newest.tx {
				newest, err = m, nil
			}
		}
	}
	return newest, err
}

func readMeta(file []byte, at uint64) (meta, bool) {
	if uint64(len(file)) < at+headerSize+metaSize {
		return meta{}, false
	}
	b := file[at+headerSize:][:metaSize]
	sum := fnv.New64a()
	sum.Write(b[:56])
	if u32(b) != magic || u32(b[4:]) != formatNow || u64(b[56:]) != sum.Sum64() {
		return meta{}, false
	}
	return meta{pageSize: uint64(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), pages: u64(b[40:]), tx: u64(b[48:])}, true
}

// walker follows pages.
type walker struct {
	file []byte
	meta meta
	met  map[uint64]bool
}

// page is the bytes of a page that was not met before, with those it flows over to.
func (w *walker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.meta.pages {
		return nil, fmt.Errorf("page %d lies outside", id)
	}
	b := w.file[id*w.meta.pageSize:]
	last := id + uint64(u32(b[12:]))
	if u64(b) != id || last >= w.meta.pages {
		return nil, fmt.Errorf("page %d is not what it should be", id)
	}
	for n := id; n <= last; n++ {
		if w.met[n] {
			return nil, fmt.Errorf("page %d is used twice", n)
		}
		w.met[n] = true
	}
	return b[:(last-id+1)*w.meta.pageSize], nil
}

// tree follows a tree of keys from its root.
func (w *walker) tree(root uint64, depth int) error {
	b, err := w.page(root)
	if err != nil {
		return err
	}
	return w.keys(b, depth)
}

// keys looks at a page of a tree, which may be one inside a value.
func (w *walker) keys(b []byte, depth int) error {
	if depth == 0 {
		return errors.New("its tree is too deep")
	}
	flags, count := u16(b[8:]), int(u16(b[10:]))
	if (flags != flagLeaf && flags != flagBranch) || flags == flagBranch && count == 0 || headerSize+count*elementSize > len(b) {
		return errors.New("a page of its tree is not what it should be")
	}
	var before []byte
	for i := range count {
		e := b[headerSize+i*elementSize:]
		key, rest, err := element(e, flags == flagLeaf)
		if err != nil {
			return err
		}
		if i > 0 && bytes.Compare(before, key) >= 0 {
			return errors.New("keys of its tree are out of order")
		}
		before = key
		switch {
		case flags == flagBranch:
			err = w.tree(u64(e[8:]), depth-1)
		case u32(e)&leafBucket != 0:
			err = w.bucket(rest, depth-1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// element is the key of an element, and what a leaf has for it.
func element(e []byte, leaf bool) (key, value []byte, err error) {
	at, keySize, valueSize := uint64(u32(e)), uint64(u32(e[4:])), uint64(0)
	if leaf {
		at, keySize, valueSize = uint64(u32(e[4:])), uint64(u32(e[8:])), uint64(u32(e[12:]))
	}
	if at < elementSize || at+keySize+valueSize > uint64(len(e)) {
		return nil, nil, errors.New("an element of its tree lies outside its page")
	}
	return e[at:][:keySize], e[at+keySize:][:valueSize], nil
}

// bucket follows a bucket: to a tree of its own, or a page within the value.
func (w *walker) bucket(value []byte, depth int) error {
	switch {
	case len(value) < headerSize:
		return errors.New("a bucket is cut short")
	case u64(value) != 0:
		return w.tree(u64(value), depth)
	case len(value) < 2*headerSize:
		return errors.New("a bucket is cut short")
	}
	return w.keys(value[headerSize:], depth)
}

// free looks at the list of free pages: none may be in use.
func (w *walker) free(id uint64) error {
	b, err := w.page(id)
	if err != nil {
		return err
	}
	count, list := uint64(u16(b[10:])), b[headerSize:]
	if count == 0xFFFF { // too many for the header
		count, list = u64(list), list[8:]
	}
	if u16(b[8:]) != flagFreelist || count > uint64(len(list))/8 {
		return errors.New("its list of free pages is not what it should be")
	}
	for i := range count {
		n := u64(list[8*i:])
		if n >= w.meta.pages || w.met[n] {
			return fmt.Errorf("page %d is free and in use, or lies outside", n)
		}
		w.met[n] = true
	}
	return nil
}

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }
