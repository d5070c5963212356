// Package recorded holds a package's whole test run to the real API: every
// request that reached a [pvesim.Cluster] meanwhile must be one that the schema
// of the cluster's Proxmox VE release knows and would take.
//
// Use it from TestMain. The schemas are large and not ours, so they stand beside
// the project and not in it; where they are missing, it says so and checks
// nothing. The package refuses to judge answers: the replay test of pvesim does.
package recorded

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Tests is what testing.M is.
type Tests interface{ Run() int }

// Run runs the tests and then checks what they sent. It returns the exit code.
func Run(m Tests) int {
	if found, _ := filepath.Glob(filepath.Join(schemas(), "api-schema-*.json")); len(found) == 0 {
		fmt.Println("requests not checked: there is no ../shared/pve/api-schema-*.json beside the project")
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "provost-requests-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv("PROVOST_REQUEST_LOG", dir)
	code := m.Run()
	requests, err := pvesim.ReadRequestLog(dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	byRelease := map[string][]pvesim.Request{}
	for _, r := range requests {
		byRelease[r.Release] = append(byRelease[r.Release], r)
	}
	for _, release := range slices.Sorted(maps.Keys(byRelease)) {
		if !check(byRelease[release], release) {
			code = 1
		}
	}
	return code
}

// check judges requests by the schema of the release that they were sent to.
func check(requests []pvesim.Request, release string) bool {
	api, err := os.ReadFile(filepath.Join(schemas(), "api-schema-"+release+".json"))
	if err != nil {
		fmt.Println("cannot check requests:", err)
		return false
	}
	errs := pvesim.CheckSchema(requests, api)
	for _, err := range errs {
		fmt.Printf("Proxmox VE %s would refuse: %v\n", release, err)
	}
	fmt.Printf("%d requests checked against the schema of %s\n", len(requests), release)
	return len(errs) == 0
}

// schemas is where they stand.
func schemas() string { return filepath.Join(root(), "..", "shared", "pve") }

// root is the folder of go.mod, above the package whose tests run.
func root() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}
