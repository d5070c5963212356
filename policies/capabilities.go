package policies

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// capabilities are the builtins that rules may call. A verdict must be the same
// each time a plan is judged, so nothing reaches the network, the host or
// chance; time.now_ns stays and gives the time of the pass.
//
// Cancelling an evaluation does not reach into a builtin. The two that can run
// for minutes on a short argument are left out as well.
func capabilities() *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion()
	caps.AllowNet = []string{}
	caps.Builtins = slices.DeleteFunc(caps.Builtins, func(b *ast.Builtin) bool {
		switch b.Name {
		case "time.now_ns":
			return false
		case "graph.reachable_paths", "bits.lsh":
			return true
		}
		return b.Nondeterministic
	})
	return caps
}
