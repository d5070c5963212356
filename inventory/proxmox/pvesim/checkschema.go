package pvesim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// CheckSchema judges requests by a whole description of the API, such as the
// one that a Proxmox VE server gives of itself, and returns an error for each
// that names no method of it or whose parameters it would refuse.
func CheckSchema(requests []Request, schemaJSON []byte) []error {
	api, err := schema.Parse(schemaJSON)
	if err != nil {
		return []error{err}
	}
	seen := map[string]error{}
	for _, r := range requests {
		if err := checkRequest(api, r); err != nil {
			seen[err.Error()] = err
		}
	}
	var errs []error
	for _, text := range slices.Sorted(maps.Keys(seen)) {
		errs = append(errs, seen[text])
	}
	return errs
}

func checkRequest(api schema.API, r Request) error {
	m, pattern, vars := api.Find(r.Method, r.Path)
	if m == nil {
		return fmt.Errorf("%s %s: the API has no such method", r.Method, r.Path)
	}
	params := maps.Clone(vars)
	maps.Copy(params, r.Params)
	if errs := m.Check(params, r.Refs); errs != nil {
		return fmt.Errorf("%s %s: %w", r.Method, pattern, errs)
	}
	return nil
}

// ReadRequestLog reads what clusters have written to the directory that
// PROVOST_REQUEST_LOG named.
func ReadRequestLog(dir string) ([]Request, error) {
	names, err := filepath.Glob(filepath.Join(dir, "pvesim-*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("cannot find request logs: %w", err)
	}
	var all []Request
	for _, name := range names {
		if all, err = appendRequests(all, name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func appendRequests(all []Request, name string) ([]Request, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read a request log: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("cannot read a request log: %s: %w", name, err)
		}
		all = append(all, r)
	}
	return all, lines.Err()
}
