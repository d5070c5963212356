// Package recorded holds a package's whole test run to the real API: every
// request that reached a [pvesim.Cluster] meanwhile must be one that the schema
// of each supported Proxmox VE release knows and would take.
//
// Use it from TestMain. The schemas are large and not ours, so they stand beside
// the project and not in it; where they are missing, it says so and checks
// nothing. The package refuses to judge answers: the replay test of pvesim does.
package recorded

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Tests is what testing.M is.
type Tests interface{ Run() int }

// Run runs the tests and then checks what they sent. It returns the exit code.
func Run(m Tests) int {
	schemas, _ := filepath.Glob(filepath.Join(root(), "..", "shared", "pve", "api-schema-*.json"))
	if len(schemas) == 0 {
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
	for _, schema := range schemas {
		api, err := os.ReadFile(schema)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		for _, err := range pvesim.CheckSchema(requests, api) {
			fmt.Printf("%s would refuse: %v\n", filepath.Base(schema), err)
			code = 1
		}
	}
	fmt.Printf("%d requests checked against %d schemas\n", len(requests), len(schemas))
	return code
}

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
