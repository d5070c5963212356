package pvesim_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// volatile are fields that no two servers, or moments, have alike.
var volatile = []string{"upid", "pid", "pstart", "starttime", "endtime", "snaptime", "digest", "ssl_fingerprint", "value",
	"meta", "vmgenid", "smbios1", "mem", "cpu", "disk", "uptime", "repoid", "level", "cgroup-mode"}

var (
	someMAC  = regexp.MustCompile(`(?i)BC:24:11(:[0-9A-F]{2}){3}`)
	someUPID = regexp.MustCompile(`UPID:pve1:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:`)
)

// normal writes a body so that equal answers are equal texts: fields sorted,
// what is volatile taken out. "value" is so only beside "full-tokenid".
func normal(body string) string {
	if body == "" || body == "-" {
		return ""
	}
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	b, err := json.Marshal(scrub(v))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func scrub(v any) any {
	switch v := v.(type) {
	case map[string]any:
		_, isToken := v["full-tokenid"]
		_, isRow := v["key"]
		out := map[string]any{}
		for k, x := range v {
			switch {
			case slices.Contains(volatile, k) && (k != "value" || isToken):
				out[k] = "*"
			case k == "value" && isRow && slices.Contains(volatile, fmt.Sprint(v["key"])):
				out[k] = "*"
			case k == "saved": // Perl has it now as a number, now as a string
				out[k] = fmt.Sprint(x)
			default:
				out[k] = scrub(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = scrub(v[i])
		}
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(rank(a), rank(b)) })
		return out
	case string:
		return someUPID.ReplaceAllString(someMAC.ReplaceAllString(v, "MAC"), "UPID:*:")
	}
	return v
}

func rank(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
