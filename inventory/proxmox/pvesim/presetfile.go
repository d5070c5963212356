package pvesim

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A preset file says what a cluster costs, so that the double can be fitted to a
// real one:
//
//	like: campus          # a preset; what is not said below is taken from it
//	full_clone: 3.1s
//	contention: 0.041
//	shared: {throughput: 940 MB/s, stream: 180 MB/s, volume: 12.1ms}
//
// Times are Go's (1.4ms), amounts have units (200 MB), "any" is a throughput
// without a limit.

// field is a key of a preset file and what it sets. One of the pointers is there.
type field struct {
	name   string
	time   func(*Costs) *time.Duration
	amount func(*Costs) *float64 // bytes, or bytes a second
	number func(*Costs) *float64
	count  func(*Costs) *int
}

var presetFields = []field{
	{name: "read", time: func(c *Costs) *time.Duration { return &c.Read }},
	{name: "worker", time: func(c *Costs) *time.Duration { return &c.Worker }},
	{name: "row", time: func(c *Costs) *time.Duration { return &c.Row }},
	{name: "tasks", time: func(c *Costs) *time.Duration { return &c.Tasks }},
	{name: "ssh", time: func(c *Costs) *time.Duration { return &c.SSH }},
	{name: "file", time: func(c *Costs) *time.Duration { return &c.File }},
	{name: "answer", time: func(c *Costs) *time.Duration { return &c.Answer }},
	{name: "config", time: func(c *Costs) *time.Duration { return &c.Config }},
	{name: "fork", time: func(c *Costs) *time.Duration { return &c.Fork }},
	{name: "bulk", time: func(c *Costs) *time.Duration { return &c.Bulk }},
	{name: "full_clone", time: func(c *Costs) *time.Duration { return &c.FullClone }},
	{name: "linked_clone", time: func(c *Costs) *time.Duration { return &c.LinkedClone }},
	{name: "linked_machine", time: func(c *Costs) *time.Duration { return &c.LinkedMachine }},
	{name: "create", time: func(c *Costs) *time.Duration { return &c.Create }},
	{name: "backup", time: func(c *Costs) *time.Duration { return &c.Backup }},
	{name: "restore", time: func(c *Costs) *time.Duration { return &c.Restore }},
	{name: "start", time: func(c *Costs) *time.Duration { return &c.Start }},
	{name: "created_start", time: func(c *Costs) *time.Duration { return &c.CreatedStart }},
	{name: "stop", time: func(c *Costs) *time.Duration { return &c.Stop }},
	{name: "destroy", time: func(c *Costs) *time.Duration { return &c.Destroy }},
	{name: "migrate", time: func(c *Costs) *time.Duration { return &c.Migrate }},
	{name: "template", time: func(c *Costs) *time.Duration { return &c.Template }},
	{name: "snapshot", time: func(c *Costs) *time.Duration { return &c.Snapshot }},
	{name: "contention", number: func(c *Costs) *float64 { return &c.Contention }},
	{name: "saturation", count: func(c *Costs) *int { return &c.Saturation }},
	{name: "cores", count: func(c *Costs) *int { return &c.Cores }},
	{name: "backup_stream", amount: func(c *Costs) *float64 { return &c.BackupStream }},
	{name: "restore_stream", amount: func(c *Costs) *float64 { return &c.RestoreStream }},
	{name: "unpacked", amount: func(c *Costs) *float64 { return &c.Unpacked }},
	{name: "booted", amount: func(c *Costs) *float64 { return &c.Booted }},
	{name: "shared.throughput", amount: func(c *Costs) *float64 { return &c.Shared.Throughput }},
	{name: "shared.stream", amount: func(c *Costs) *float64 { return &c.Shared.Stream }},
	{name: "shared.volume", time: func(c *Costs) *time.Duration { return &c.Shared.Volume }},
	{name: "local.throughput", amount: func(c *Costs) *float64 { return &c.Local.Throughput }},
	{name: "local.stream", amount: func(c *Costs) *float64 { return &c.Local.Stream }},
	{name: "local.volume", time: func(c *Costs) *time.Duration { return &c.Local.Volume }},
	{name: "stat", time: func(c *Costs) *time.Duration { return &c.Stat }},
	{name: "jitter", number: func(c *Costs) *float64 { return &c.Jitter }},
	{name: "spread", time: func(c *Costs) *time.Duration { return &c.Spread }},
}

// ReadPreset reads a preset file. Errors begin with its name and the line.
func ReadPreset(file string, data []byte) (Costs, error) {
	var root yaml.Node
	if err := yaml.Load(data, &root); err != nil {
		return Costs{}, fmt.Errorf("cannot read %s: %w", file, err)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return Costs{}, fmt.Errorf("%s:1: a preset is a mapping that begins with \"like: NAME\"", file)
	}
	top := root.Content[0]
	r := presetReader{file: file, seen: map[string]bool{}}
	if r.costs = r.base(top); len(r.errs) == 0 {
		r.read("", top)
	}
	return r.costs, errors.Join(r.errs...)
}

type presetReader struct {
	file  string
	costs Costs
	seen  map[string]bool
	errs  []error
}

func (r *presetReader) complain(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.file, n.Line, fmt.Sprintf(format, args...)))
}

// base is the preset that the file names.
func (r *presetReader) base(top *yaml.Node) Costs {
	for i := 0; i+1 < len(top.Content); i += 2 {
		if value := top.Content[i+1]; top.Content[i].Value == "like" {
			c, err := Preset(value.Value)
			if err != nil {
				r.complain(value, "like: %v", err)
			}
			return c
		}
	}
	r.complain(top, "like: is missing: the preset from which comes what is not said, one of %s", strings.Join(Presets(), ", "))
	return Costs{}
}

func (r *presetReader) read(prefix string, mapping *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		switch {
		case r.seen[name]:
			r.complain(key, "%s is said twice", name)
		case name == "like":
		case (name == "shared" || name == "local") && value.Kind == yaml.MappingNode:
			r.read(name+".", value)
		default:
			r.set(name, key, value)
		}
		r.seen[name] = true
	}
}

func (r *presetReader) set(name string, key, value *yaml.Node) {
	for _, f := range presetFields {
		if f.name == name {
			if err := f.parse(&r.costs, value); err != nil {
				r.complain(value, "%s: %v", name, err)
			}
			return
		}
	}
	r.complain(key, "there is no %q in a preset", name)
}

func (f field) parse(c *Costs, value *yaml.Node) (err error) {
	if value.Kind != yaml.ScalarNode {
		return errors.New("it is one value")
	}
	text := value.Value
	var n float64
	switch {
	case f.time != nil:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a time such as 1.4ms", text)
		}
		*f.time(c) = d
	case f.amount != nil:
		n, err = parseAmount(text)
		*f.amount(c) = n
	case f.count != nil:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a count", text)
		}
		*f.count(c) = n
	default:
		n, err = strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0) || math.IsInf(n, 0) {
			return fmt.Errorf("%q is not a number from 0 up", text)
		}
		*f.number(c) = n
	}
	return err
}

var amountUnits = []struct {
	name  string
	bytes float64
}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// parseAmount reads "200 MB", or a second's "200 MB/s".
func parseAmount(text string) (float64, error) {
	if text == "any" {
		return math.Inf(1), nil
	}
	number, unit, _ := strings.Cut(strings.TrimSuffix(text, "/s"), " ")
	n, err := strconv.ParseFloat(number, 64)
	for _, u := range amountUnits {
		if u.name == unit && err == nil && n >= 0 && !math.IsInf(n*u.bytes, 0) {
			return n * u.bytes, nil
		}
	}
	return 0, fmt.Errorf("%q is not an amount such as 200 MB, nor any", text)
}

func formatAmount(n float64, rate string) string {
	if math.IsInf(n, 1) {
		return "any"
	}
	for _, u := range amountUnits {
		if n >= u.bytes && n/u.bytes*u.bytes == n || u.bytes == 1 { // comes back as it was
			return strconv.FormatFloat(n/u.bytes, 'g', -1, 64) + " " + u.name + rate
		}
	}
	return ""
}

// WritePreset writes what of these costs is not as in the preset they are like,
// in the order in which [Costs] has it. A note, by the key it is about, stands
// beside what it explains; one about "" stands above all.
func (c Costs) WritePreset(w io.Writer, like string, notes map[string]string) error {
	base, err := Preset(like)
	if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(notes[""]) {
		b.WriteString("# " + line)
	}
	fmt.Fprintf(&b, "like: %s\n", like)
	group := ""
	for _, f := range presetFields {
		note, noted := notes[f.name]
		value := f.format(&c)
		if value == f.format(&base) && !noted {
			continue
		}
		name, indent := f.name, ""
		if outer, inner, nested := strings.Cut(name, "."); nested {
			if name, indent = inner, "  "; outer != group {
				fmt.Fprintf(&b, "%s:\n", outer)
				group = outer
			}
		}
		if note != "" {
			note = " # " + note
		}
		fmt.Fprintf(&b, "%s%s: %s%s\n", indent, name, value, note)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func (f field) format(c *Costs) string {
	switch {
	case f.time != nil:
		return f.time(c).String()
	case f.amount != nil:
		rate := ""
		if strings.HasSuffix(f.name, "throughput") || strings.HasSuffix(f.name, "stream") {
			rate = "/s"
		}
		return formatAmount(*f.amount(c), rate)
	case f.count != nil:
		return strconv.Itoa(*f.count(c))
	}
	return strconv.FormatFloat(*f.number(c), 'g', -1, 64)
}
