package windows

import (
	"encoding/json"
	"errors"
	"fmt"
)

// listDocument asks for what stands.
type listDocument struct {
	Zones  []string `json:"zones"`
	DHCP   bool     `json:"dhcp"`
	Scopes []string `json:"scopes"`
}

// The items of the parts of a listing; CONTRACT.md says which is which.
type (
	zoneItem struct {
		Type       string `json:"type"`
		Integrated bool   `json:"integrated"`
		Reverse    bool   `json:"reverse"`
	}
	recordItem struct {
		Name   string `json:"name"`
		Type   string `json:"type"`
		Value  string `json:"value"`
		TTL    int64  `json:"ttl"`
		Static bool   `json:"static"`
	}
	scopeItem struct {
		Name  string `json:"name"`
		Start string `json:"start"`
		End   string `json:"end"`
		Mask  string `json:"mask"`
		State string `json:"state"`
	}
	reservationItem struct {
		IP          string `json:"ip"`
		ClientID    string `json:"clientId"`
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	leaseItem struct {
		IP       string `json:"ip"`
		ClientID string `json:"clientId"`
		HostName string `json:"hostName"`
		State    string `json:"state"`
	}
	filterItem struct {
		MAC         string `json:"mac"`
		List        string `json:"list"`
		Description string `json:"description"`
	}
	filterListItem struct {
		Allow bool `json:"allow"`
		Deny  bool `json:"deny"`
	}
)

// answer is what one server said to a listing, by part.
type answer struct {
	host  *host
	err   error // nothing was said at all
	parts map[[2]string]part
}

type part struct {
	items []json.RawMessage
	err   error
}

func newAnswer(h *host, sections []section, err error) answer {
	a := answer{host: h, err: err, parts: map[[2]string]part{}}
	for _, s := range sections {
		name := [2]string{s.Part, s.Of}
		p := a.parts[name]
		p.items = append(p.items, s.Items...)
		if s.Error != nil {
			p.err = s.Error
		}
		a.parts[name] = p
	}
	return a
}

// items are those of a part, in full. A part that was not answered is an error,
// never an empty list.
func items[T any](a answer, name, of string) ([]T, error) {
	if a.err != nil {
		return nil, a.err
	}
	p, ok := a.parts[[2]string{name, of}]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s did not answer for %s", a.host.name, name)
	case p.err != nil:
		return nil, fmt.Errorf("%s: %w", a.host.name, p.err)
	}
	out := make([]T, len(p.items))
	for i, raw := range p.items {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, fmt.Errorf("%s: cannot read %s: %w", a.host.name, name, err)
		}
	}
	return out, nil
}

// one is the only item of a part.
func one[T any](a answer, name, of string) (T, error) {
	all, err := items[T](a, name, of)
	if err == nil && len(all) != 1 {
		err = errors.New("cannot read " + name + ": there should be one")
	}
	if err != nil {
		var none T
		return none, err
	}
	return all[0], nil
}
