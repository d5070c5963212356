package calibrate

import (
	"cmp"

	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Guesses are what the planner needs of a model.
func Guesses(c pvesim.Costs) *proxmox.Guesses {
	return &proxmox.Guesses{
		FullClone: c.FullClone, LinkedClone: c.LinkedClone, LinkedMachine: c.Fork + cmp.Or(c.LinkedMachine, c.LinkedClone),
		Create: c.Create, Backup: c.Backup, Restore: c.Restore,
		Start: c.Start, CreatedStart: c.CreatedStart, Destroy: c.Destroy, Migrate: c.Migrate,
		Contention: c.Contention, Unpacked: c.Unpacked, Booted: c.Booted,
		BackupStream: c.BackupStream, RestoreStream: c.RestoreStream,
		Shared: copying(c.Shared), Local: copying(c.Local),
	}
}

// copying of a storage without a throughput takes no time.
func copying(s pvesim.Storage) proxmox.Copying {
	if s.Throughput == 0 {
		return proxmox.Copying{}
	}
	return proxmox.Copying{Stream: s.Stream, Throughput: s.Throughput}
}
