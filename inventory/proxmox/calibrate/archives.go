package calibrate

import (
	"fmt"
	"math"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox"
)

func (f *fit) archives() {
	c := &f.costs
	c.Backup, c.BackupStream = f.archive("backup", f.Backup, f.BackupCopy, c.Backup, c.BackupStream)
	c.Restore, c.RestoreStream = f.archive("restore", f.Restore, f.RestoreCopy, c.Restore, c.RestoreStream)
}

// alike are streams that differ by no more than this share: one figure is enough.
const alike = 0.05

// archive tells the work of what packs or unpacks a disk, and how quickly it does if
// that is not as a copy is made. What it cannot tell stays.
func (f *fit) archive(key string, small, large []time.Duration, work time.Duration, stream float64) (time.Duration, float64) {
	streamKey := key + "_stream"
	switch {
	case len(small) == 0:
		f.untimed(proxmox.Backups, key, streamKey)
		return work, stream
	case len(large) == 0:
		f.notes[key] = fmt.Sprintf("%s for %s, less what a copy of it takes", seconds(small), amount(f.Small))
		f.untimed(proxmox.BackupCopies, streamKey)
		return duration(max(0, mean(small)-f.copying(f.Small))), 0
	}
	fixed, byteTime := f.line(small, large)
	f.notes[key] = fmt.Sprintf("%s for %s, less what is read or written", seconds(small), amount(f.Small))
	f.notes[streamKey] = f.sizes(small, large)
	switch {
	case byteTime == 0 && f.free, !f.free && math.Abs(byteTime*f.stream-1) < alike:
		f.notes[streamKey] = "as a copy: " + f.sizes(small, large)
		return duration(max(0, mean(small)-f.copying(f.Small))), 0 // as a copy
	case byteTime == 0:
		return duration(fixed), round(f.throughput) // quicker than anybody copies
	}
	return duration(fixed), round(1 / byteTime)
}

// copying is how many seconds a copy of so many bytes takes alone.
func (f *fit) copying(bytes float64) float64 {
	if f.free {
		return 0
	}
	return bytes / f.stream
}
