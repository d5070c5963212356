package proxmox

import "strings"

// pairs is a property string of PVE: "name=eth0,bridge=vmbr0,ip=dhcp". Order and
// properties that provost knows nothing of are kept, so that rewriting one
// property does not lose another.
type pairs []pair

type pair struct{ key, value string }

// parsePairs reads a property string. A bare word is the value of the default
// key, which is given.
func parsePairs(s, defaultKey string) pairs {
	var ps pairs
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			key, value = defaultKey, part
		}
		ps = append(ps, pair{key, value})
	}
	return ps
}

func (ps pairs) get(key string) string {
	for _, p := range ps {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// with returns the pairs with key set to value; an empty value drops the key.
func (ps pairs) with(key, value string) pairs {
	out := make(pairs, 0, len(ps)+1)
	done := value == ""
	for _, p := range ps {
		if p.key != key {
			out = append(out, p)
		} else if !done {
			out, done = append(out, pair{key, value}), true
		}
	}
	if !done {
		out = append(out, pair{key, value})
	}
	return out
}

func (ps pairs) String() string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = p.key + "=" + p.value
	}
	return strings.Join(parts, ",")
}
