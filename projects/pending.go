package projects

// DELETE THIS FILE when the real Campus, Load, Problems and Desired stand: it
// only lets the packages that import them compile meanwhile.

import "github.com/provost-dev/provost/inventory"

type Campus struct{}

func Load(Tree) *Campus                              { return &Campus{} }
func (*Campus) Problems() []Problem                  { return nil }
func (*Campus) Desired([]inventory.Resource) Desired { return Desired{} }
