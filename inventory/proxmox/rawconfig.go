package proxmox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// rawConfig is a guest's configuration as PVE keeps it: key to value, the
// description decoded under "description", and the raw "lxc.*" lines, which the
// API does not take back, together under rawLines.
type rawConfig map[string]string

const rawLines = "lxc"

var (
	confRaw     = regexp.MustCompile(`^(lxc\.[A-Za-z0-9_.-]+)\s*[:=]\s*(.*?)\s*$`)
	confSection = regexp.MustCompile(`^\[([^\]]*)\]\s*$`)
	confLine    = regexp.MustCompile(`^([a-z][a-z_]*\d*):\s*(.*?)\s*$`)
)

// parseConfFile reads a file of /etc/pve/nodes/*/{lxc,qemu-server}. Snapshots are
// skipped; what is pending for the next boot counts as set, as it does in the
// API's answer, and is named under nextStart. It never fails: a line that is not
// understood is not ours.
func parseConfFile(data []byte) rawConfig {
	cfg, pending := rawConfig{}, rawConfig{}
	var description []string
	section := ""
	for line := range strings.SplitSeq(string(data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if m := confSection.FindStringSubmatch(line); m != nil {
			section = m[1]
			continue
		}
		if rest, ok := strings.CutPrefix(line, "#"); ok {
			if section == "" {
				description = append(description, decodeText(rest))
			}
			continue
		}
		if m := confRaw.FindStringSubmatch(line); m != nil && section == "" {
			cfg[rawLines] += m[1] + ": " + m[2] + "\n"
			continue
		}
		m := confLine.FindStringSubmatch(line)
		switch {
		case m == nil:
		case section == "":
			cfg[m[1]] = m[2]
		case section == "PENDING" || section == "pve:pending":
			pending[m[1]] = m[2]
		}
	}
	cfg.applyPending(pending)
	if text, ok := cfg["description"]; ok { // the older way to write it
		description = append(description, decodeText(text))
	}
	delete(cfg, "description")
	if len(description) > 0 {
		cfg["description"] = strings.Join(description, "\n")
	}
	return cfg
}

func (cfg rawConfig) applyPending(pending rawConfig) {
	var names []string
	for key := range strings.FieldsFuncSeq(pending["delete"], isListSeparator) {
		delete(cfg, strings.TrimPrefix(key, "!"))
		names = append(names, strings.TrimPrefix(key, "!"))
	}
	delete(pending, "delete")
	maps.Copy(cfg, pending)
	names = slices.AppendSeq(names, maps.Keys(pending))
	if slices.Sort(names); len(names) > 0 {
		cfg[nextStart] = strings.Join(slices.Compact(names), ",")
	}
}

// parseConfJSON reads the API's answer to GET …/config.
func parseConfJSON(data json.RawMessage) (rawConfig, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("cannot read the guest's configuration: %q is not an object", truncate(string(data), 40))
	}
	cfg := rawConfig{}
	for key, value := range fields {
		if s, ok := scalar(value); ok {
			cfg[key] = s
		}
	}
	var raw [][2]string
	if json.Unmarshal(fields[rawLines], &raw) == nil {
		for _, line := range raw {
			cfg[rawLines] += line[0] + ": " + line[1] + "\n"
		}
	}
	return cfg, nil
}

// scalar is a JSON string, number or boolean as PVE would print it: the API
// answers the same option now as 512, now as "512".
func scalar(value json.RawMessage) (string, bool) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return "", false
	}
	switch value[0] {
	case '"':
		var s string
		err := json.Unmarshal(value, &s)
		return s, err == nil
	case '{', '[', 'n':
		return "", false
	case 't':
		return "1", true
	case 'f':
		return "0", true
	default:
		return string(value), true
	}
}

// decodeText undoes PVE's percent-encoding; what is not an escape stays.
func decodeText(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
