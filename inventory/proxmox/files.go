package proxmox

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// clusterFiles is what one SSH read gives: every guest's configuration, by VMID,
// and the cluster's own list of guests.
type clusterFiles struct {
	guests map[string]guest
	vmlist *vmList
	// partial says that guests which changed since the last read are left out.
	partial bool
}

// vmList is /etc/pve/.vmlist: what guests there are, and a number for each that
// rises with every write of its file.
type vmList struct {
	version int64
	guests  map[string]listed // by VMID
}

type listed struct {
	ref
	version int64
}

// Limits of the stream. A guest's file is a few hundred bytes; PVE refuses more
// than 1 MiB itself.
const (
	maxConfFile = 1 << 20
	maxVMList   = 16 << 20
	maxStream   = 256 << 20
	maxFiles    = 100_000
)

var confPath = regexp.MustCompile(`^nodes/([A-Za-z0-9][A-Za-z0-9.-]*)/(lxc|qemu-server)/(\d{3,9})\.conf$`)

// nodeName is what becomes a part of a path and a word of a command.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)

// readFiles reads a tar of /etc/pve: ".vmlist" and "nodes/*/{lxc,qemu-server}/*.conf";
// anything else in it is skipped. Without .vmlist it fails: whether the stream
// is whole could not be told.
func readFiles(r io.Reader) (clusterFiles, error) {
	files := clusterFiles{guests: map[string]guest{}}
	limited := &io.LimitedReader{R: r, N: maxStream}
	tr := tar.NewReader(limited)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return files, fmt.Errorf("cannot read the stream of configurations: %w", err)
		}
		if n >= maxFiles {
			return files, errors.New("cannot read the stream of configurations: too many files")
		}
		if err := files.add(h, tr); err != nil {
			return files, err
		}
	}
	if limited.N <= 0 {
		return files, errors.New("cannot read the stream of configurations: it is too long")
	}
	if files.vmlist == nil {
		return files, errors.New("cannot read the stream of configurations: it lacks .vmlist")
	}
	return files, nil
}

func (f *clusterFiles) add(h *tar.Header, r io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	m := confPath.FindStringSubmatch(name)
	if h.Typeflag != tar.TypeReg || m == nil && name != ".vmlist" {
		return nil
	}
	if h.Size > maxConfFile && m != nil || h.Size > maxVMList {
		return fmt.Errorf("cannot read %s: it is too long", name)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", name, err)
	}
	if m == nil {
		f.vmlist, err = parseVMList(data)
		return err
	}
	typ := typeLXC
	if m[2] == "qemu-server" {
		typ = typeQEMU
	}
	f.guests[m[3]] = guest{ref: ref{vmid: m[3], typ: typ, node: m[1]}, cfg: parseConfFile(data)}
	return nil
}

// parseVMList reads /etc/pve/.vmlist: {"version": 7, "ids": {"100": {"node": "pve1", "type": "lxc", "version": 3}}}.
func parseVMList(data []byte) (*vmList, error) {
	var list struct {
		Version int64 `json:"version"`
		IDs     map[string]struct {
			Node    string `json:"node"`
			Type    string `json:"type"`
			Version int64  `json:"version"`
		} `json:"ids"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("cannot read .vmlist: %w", err)
	}
	out := &vmList{version: list.Version, guests: make(map[string]listed, len(list.IDs))}
	for id, entry := range list.IDs {
		if n, err := strconv.Atoi(id); err != nil || n < 100 || strconv.Itoa(n) != id {
			return nil, fmt.Errorf("cannot read .vmlist: %q is not a VMID", truncate(id, 20))
		}
		if entry.Type != typeLXC && entry.Type != typeQEMU || !nodeName.MatchString(entry.Node) {
			return nil, fmt.Errorf("cannot read .vmlist: %s is a %q on %q", id, truncate(entry.Type, 20), truncate(entry.Node, 20))
		}
		out.guests[id] = listed{ref{vmid: id, typ: entry.Type, node: entry.Node}, entry.Version}
	}
	return out, nil
}
