package windows

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEncodeInput(t *testing.T) {
	got := string(encodeInput("script\n", []byte(`{"a":"é"}`)))
	want := "provost1 7 " + hash([]byte("script\n")) + " 10 " + hash([]byte(`{"a":"é"}`)) + "\n" +
		"c2NyaXB0Cg==\neyJhIjoiw6kifQ==\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// encodeOutput frames objects as the bootstrap does.
func encodeOutput(objects ...string) string {
	var out strings.Builder
	sum := sha256.New()
	for _, o := range objects {
		line := base64.StdEncoding.EncodeToString([]byte(o))
		sum.Write([]byte(line + "\n"))
		out.WriteString("provost1 " + line + "\n")
	}
	trailer := fmt.Sprintf(`{"part":"trailer","count":%d,"sha256":"%s"}`, len(objects), hex.EncodeToString(sum.Sum(nil)))
	return out.String() + "provost1 " + base64.StdEncoding.EncodeToString([]byte(trailer)) + "\n"
}

func TestDecodeOutput(t *testing.T) {
	whole := encodeOutput(`{"part":"zone","of":"x","items":[1]}`, `{"part":"filters","of":"","error":{"errorId":"DHCP 20013,x","message":"non"}}`)
	lines := strings.SplitAfter(whole, "\n")
	for name, c := range map[string]struct {
		out   string
		fails string // part of the error, "" for none
	}{
		"whole":              {whole, ""},
		"carriage returns":   {strings.ReplaceAll(whole, "\n", "\r\n"), ""},
		"a byte-order mark":  {"\ufeff" + whole, ""},
		"noise":              {"WARNING: something\r\n" + lines[0] + "\n" + strings.Join(lines[1:], ""), ""},
		"nothing":            {"", "no trailer"},
		"no trailer":         {lines[0] + lines[1], "no trailer"},
		"a line lost":        {lines[0] + lines[2], "does not fit"},
		"lines swapped":      {lines[1] + lines[0] + lines[2], "does not fit"},
		"a line twice":       {lines[0] + lines[0] + lines[2], "does not fit"},
		"cut":                {whole[:len(whole)-9], "cannot read a line"},
		"not JSON":           {"provost1 YWJj\n" + whole, "cannot read a line"},
		"not base64":         {"provost1 a b\n" + whole, "cannot read a line"},
		"the input was lost": {encodeOutput(`{"part":"fault","of":"frame","error":{"message":"x"}}`), errLostInput.Error()},
		"the script failed":  {encodeOutput(`{"part":"fault","of":"script","error":{"errorId":"E","message":"oh"}}`), "the script broke off: oh (E)"},
	} {
		t.Run(name, func(t *testing.T) {
			sections, err := decodeOutput([]byte(c.out))
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("error %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil || len(sections) != 2 || sections[1].Error.ID != "DHCP 20013,x" {
				t.Errorf("%+v, %v", sections, err)
			}
		})
	}
	if _, err := decodeOutput([]byte(encodeOutput(`{"part":"fault","of":"frame"}`))); !errors.Is(err, errLostInput) {
		t.Errorf("a lost input is not recognised: %v", err)
	}
}

// A single damaged byte never goes unnoticed as a shorter or another answer.
func TestDecodeOutputNoticesDamage(t *testing.T) {
	whole := encodeOutput(`{"part":"records","of":"etu.isima.fr","items":["a","b"]}`, `{"part":"zone","of":"x","items":[]}`)
	want, err := decodeOutput([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		damaged := []byte(whole)
		at := rapid.IntRange(0, len(damaged)-1).Draw(t, "at")
		damaged[at] = rapid.Byte().Draw(t, "byte")
		got, err := decodeOutput(damaged)
		if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("damage at %d gave %v", at, got)
		}
	})
}

func FuzzDecodeOutput(f *testing.F) {
	f.Add([]byte(encodeOutput(`{"part":"zone","of":"x","items":[{"type":"Primary"}]}`)))
	f.Add([]byte(encodeOutput(`{"part":"results","of":"","items":[{"id":"0","status":"done","changed":true}]}`)))
	f.Add([]byte(encodeOutput(`{"part":"fault","of":"frame"}`)))
	f.Add([]byte("provost1 e30=\n"))
	f.Add([]byte("\ufeffprovost1 \r\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		sections, err := decodeOutput(out)
		if err != nil {
			return
		}
		objects := make([]string, len(sections))
		for i, s := range sections {
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			objects[i] = string(b)
		}
		again, err := decodeOutput([]byte(encodeOutput(objects...)))
		if err != nil || len(again) != len(sections) {
			t.Fatalf("%d sections, then %d: %v", len(sections), len(again), err)
		}
		if _, err := decodeResults(sections); err != nil {
			return
		}
	})
}
