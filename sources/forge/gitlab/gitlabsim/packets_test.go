package gitlabsim

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func packet(lines ...string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, line := range lines {
		n := len(line) + 4
		b.Write([]byte{digits[n>>12&15], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
		b.WriteString(line)
	}
	return b.String() + "0000"
}

const command = "0000000000000000000000000000000000000000 1111111111111111111111111111111111111111 refs/heads/a\x00 report-status"

func TestPushOptions(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []string
		rest       string // what must be left for receive-pack to read on
		fails      bool
	}{
		{"no options", packet(command) + "PACK", nil, "PACK", false},
		{"options", packet(command+" push-options") + packet("merge_request.create", "ci.skip\n") + "PACK", []string{"merge_request.create", "ci.skip"}, "PACK", false},
		{"nothing", packet(), nil, "", false},
		{"no length", "wxyz", nil, "", true},
		{"short", "00ff" + command, nil, "", true},
		{"impossible length", "0003", nil, "", true},
		{"options missing", packet(command + " push-options"), nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.NewReader(c.body)
			options, read, err := pushOptions(body)
			if (err != nil) != c.fails {
				t.Fatalf("error is %v", err)
			}
			if err == nil && (!slices.Equal(options, c.want) || string(read)+c.rest != c.body) {
				t.Errorf("options are %q, read %q", options, read)
			}
		})
	}
}

func FuzzPushOptions(f *testing.F) {
	f.Add([]byte(packet(command) + "PACK"))
	f.Add([]byte(packet(command+" push-options") + packet("merge_request.create") + "PACK"))
	f.Add([]byte("0003"))
	f.Add([]byte("ffff"))
	f.Add([]byte("-001"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, read, err := pushOptions(bytes.NewReader(data))
		if err == nil && !bytes.HasPrefix(data, read) {
			t.Errorf("read %q, which %q does not begin with", read, data)
		}
	})
}
