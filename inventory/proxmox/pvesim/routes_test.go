package pvesim

import (
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// TestRoutesAreDeclared holds the table of routes against the declarations.
func TestRoutesAreDeclared(t *testing.T) {
	declared := map[string]bool{}
	for _, release := range []string{"9.1", "8.4"} {
		api, err := schema.Embedded(release)
		if err != nil {
			t.Fatal(err)
		}
		for path, methods := range api {
			for name := range methods {
				declared[name+" "+path] = true
				if _, ok := routes[name+" "+path]; !ok {
					t.Errorf("%s %s is declared and not served", name, path)
				}
			}
		}
	}
	for name := range routes {
		if !declared[name] {
			t.Errorf("%s is served and not declared", name)
		}
	}
}
