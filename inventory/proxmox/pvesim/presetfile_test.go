package pvesim

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Every parameter has a key, except the speed, which is a run's.
func TestPresetFilesSayEverything(t *testing.T) {
	var visit func(v reflect.Value) int
	visit = func(v reflect.Value) (n int) {
		for _, field := range v.Fields() {
			if field.Kind() == reflect.Struct {
				n += visit(field)
			} else {
				n++
			}
		}
		return n
	}
	if n := visit(reflect.ValueOf(Costs{})) - 1; n != len(presetFields) {
		t.Errorf("%d parameters, %d keys", n, len(presetFields))
	}
}

func TestPresetFilesComeBack(t *testing.T) {
	for _, name := range Presets() {
		for _, like := range Presets() {
			want, _ := Preset(name)
			var file bytes.Buffer
			if err := want.WritePreset(&file, like, map[string]string{"": "as measured\ntoday\n", "read": "alone"}); err != nil {
				t.Fatal(err)
			}
			got, err := ReadPreset("p.yaml", file.Bytes())
			if err != nil || got != want {
				t.Errorf("%s like %s: %+v, want %+v: %v\n%s", name, like, got, want, err, file.String())
			}
			if !strings.HasPrefix(file.String(), "# as measured\n# today\nlike: "+like+"\nread: 1.4ms # alone\n") {
				t.Errorf("%s like %s:\n%s", name, like, file.String())
			}
		}
	}
}

func TestPresetFileErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                        "cannot read p.yaml: ",
		"- like":                                  "p.yaml:1: a preset is a mapping",
		"like: [":                                 "cannot read p.yaml: ",
		"read: 1ms":                               "p.yaml:1: like: is missing",
		"like: huge":                              `p.yaml:1: like: there is no preset "huge"`,
		"like: tiny\nraed: 1ms":                   `p.yaml:2: there is no "raed" in a preset`,
		"like: tiny\nread: 1":                     `p.yaml:2: read: "1" is not a time such as 1.4ms`,
		"like: tiny\nread: -1ms":                  `p.yaml:2: read: "-1ms" is not a time`,
		"like: tiny\nread: {}":                    "p.yaml:2: read: it is one value",
		"like: tiny\nread: 1ms\nread: 2ms":        "p.yaml",
		"like: tiny\nshared: 4":                   `p.yaml:2: there is no "shared"`,
		"like: tiny\nshared:\n  stream: 4":        `p.yaml:3: shared.stream: "4" is not an amount`,
		"like: tiny\nshared:\n  steam: 4 MB":      `p.yaml:3: there is no "shared.steam"`,
		"like: tiny\ncontention: -1":              `p.yaml:2: contention: "-1" is not a number`,
		"like: tiny\njitter: NaN":                 `p.yaml:2: jitter: "NaN" is not a number`,
		"like: tiny\ncores: 1.5":                  `p.yaml:2: cores: "1.5" is not a count`,
		"like: tiny\nbooted: 1e999 GB\nread: 1ks": "p.yaml:3: read",
	} {
		if _, err := ReadPreset("p.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	c, err := ReadPreset("p.yaml", []byte("like: campus\nfull_clone: 3.5s\nshared: {throughput: any, stream: 0 B/s}\n"))
	if err != nil || c.FullClone != 3500*time.Millisecond || !(c.Shared.Throughput > 1e300) || c.Shared.Stream != 0 || c.Start != 3*time.Second {
		t.Errorf("%+v %v", c, err)
	}
}

func FuzzReadPreset(f *testing.F) {
	f.Add([]byte("like: tiny\nread: 1.4ms\nshared: {throughput: any, stream: 200 MB/s}\ncores: 2\n"))
	f.Add([]byte("like: &a tiny\n? [x]\n: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ReadPreset("p.yaml", data)
		if err != nil {
			return
		}
		var file bytes.Buffer
		if err := c.WritePreset(&file, "tiny", nil); err != nil {
			t.Fatal(err)
		}
		if again, err := ReadPreset("p.yaml", file.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, file.String())
		} else if again != c {
			t.Fatalf("%+v came back as %+v", c, again)
		}
	})
}
