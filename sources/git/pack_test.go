package git

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

// packed is an object of a pack as its sender would have it.
type packed struct {
	kind    plumbing.ObjectType
	size    uint64 // what the header says
	content []byte // what is behind it
}

// pack writes a pack, with no regard for whether it makes sense.
func pack(objects ...packed) []byte {
	var out bytes.Buffer
	out.WriteString("PACK")
	_ = binary.Write(&out, binary.BigEndian, []uint32{2, uint32(len(objects))})
	for _, o := range objects {
		b := byte(o.kind)<<4 | byte(o.size&15)
		for rest := o.size >> 4; ; rest >>= 7 {
			if rest == 0 {
				out.WriteByte(b)
				break
			}
			out.WriteByte(b | 0x80)
			b = byte(rest & 0x7f)
		}
		if o.kind == plumbing.REFDeltaObject {
			out.Write(make([]byte, 20))
		}
		z := zlib.NewWriter(&out)
		_, _ = z.Write(o.content)
		_ = z.Close()
	}
	sum := sha1.Sum(out.Bytes())
	return append(out.Bytes(), sum[:]...)
}

func blob(content string) packed {
	return packed{plumbing.BlobObject, uint64(len(content)), []byte(content)}
}

// delta is one that turns from bytes into to bytes.
func delta(from, to uint64) packed {
	d := binary.AppendUvarint(binary.AppendUvarint(nil, from), to)
	return packed{plumbing.REFDeltaObject, uint64(len(d)), d}
}

func TestCheckPack(t *testing.T) {
	zeros := packed{plumbing.BlobObject, 40 << 20, make([]byte, 40<<20)}
	tests := []struct {
		name string
		pack []byte
		want string // "" when the pack is good
	}{
		{"good", pack(blob("a: 1\n"), blob(""), delta(5, 6)), ""},
		{"empty", pack(), ""},
		{"a large object", pack(packed{plumbing.BlobObject, 1 << 30, nil}), "an object of 1024 MiB"},
		{"a large object among small ones", pack(blob("a"), packed{plumbing.TreeObject, maxObject + 1, nil}), "an object of 64 MiB, more than 64"},
		{"a delta that grows", pack(delta(5, 1<<40)), "an object of 1048576 MiB"},
		{"a delta that says nothing", pack(packed{plumbing.REFDeltaObject, 1, []byte{0xff}}), "refused"},
		{"more than it says", pack(packed{plumbing.BlobObject, 3, make([]byte, 1<<20)}), "exceeds declared size"},
		{"many large ones", pack(delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), zeros,
			delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20),
			delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20),
			delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20),
			delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20),
			delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20), delta(1, 60<<20)),
			"more than 2048 MiB together"},
		{"an unknown type", pack(packed{5, 1, []byte("x")}), "unknown type"},
		{"many objects", append([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"), make([]byte, 20)...), "4294967295 objects"},
		{"cut off", pack(blob("a"), blob("b"))[:20], "cannot read its pack"},
		{"no pack", []byte("<html>proxy says no</html>"), "cannot read its pack"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := checkPack(bytes.NewReader(test.pack))
			if test.want == "" && err == nil {
				return
			}
			wantError(t, err, test.want)
		})
	}
}

// A server whose branch leads to a megabyte that unfolds to a gigabyte.
func TestHostilePackIsRefused(t *testing.T) {
	bomb := pack(packed{plumbing.BlobObject, 1 << 30, make([]byte, 1<<20)})
	head := strings.Repeat("1", 40)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := pktline.NewEncoder(w)
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			_ = e.EncodeString("# service=git-upload-pack\n")
			_ = e.Flush()
			_ = e.EncodeString(head + " refs/heads/main\x00side-band-64k ofs-delta agent=hostile\n")
			_ = e.Flush()
			return
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_ = e.EncodeString("NAK\n")
		for rest := bomb; len(rest) > 0; {
			n := min(len(rest), 60_000)
			_ = e.Encode(append([]byte{1}, rest[:n]...))
			rest = rest[n:]
		}
		_ = e.Flush()
	}))
	t.Cleanup(srv.Close)
	c := newCampus(t)
	dir := t.TempDir()
	r := openIn(t, Config{
		URL:    srv.URL + "/campus.git",
		CAFile: c.file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})),
	}, dir, new(journal))
	_, err := r.Latest(t.Context())
	wantError(t, err, "is refused", "pack has an object of 1024 MiB", "who pushed it")
	left, err := filepath.Glob(filepath.Join(dir, "incoming*"))
	c.must(err)
	if len(left) > 0 {
		t.Errorf("files are left beside the mirror: %v", left)
	}
}

func FuzzCheckPack(f *testing.F) {
	f.Add(pack(blob("a: 1\n"), delta(5, 6)))
	f.Add(pack(packed{plumbing.BlobObject, 1 << 30, nil}))
	f.Add(pack(delta(5, 1<<40)))
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\x90"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = checkPack(io.LimitReader(bytes.NewReader(data), 1<<12))
	})
}

func FuzzPrefix(f *testing.F) {
	f.Add([]byte{5, 6})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, data []byte) {
		var whole, bits prefix
		_, _ = whole.Write(data)
		for i := range data {
			_, _ = bits.Write(data[i : i+1])
		}
		if a, b := fmt.Sprint(whole.target()), fmt.Sprint(bits.target()); a != b {
			t.Fatal("what is written in one piece reads otherwise than what comes in bits")
		}
	})
}
