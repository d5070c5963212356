package proxmox

import (
	"os"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/recorded"
)

func TestMain(m *testing.M) { os.Exit(recorded.Run(m)) }
