package proxmox

import (
	"regexp"
	"strconv"
)

const gib = 1 << 30

// sizePattern is PVE's own: no suffix means bytes.
var sizePattern = regexp.MustCompile(`^(\d{1,18}(?:\.\d{1,9})?)([KMGT]?)$`)

// parseGiB reads a disk size as PVE writes it ("50G", "307M", "1.5T").
func parseGiB(s string) (float64, bool) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, false
	}
	unit := map[string]float64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[m[2]]
	return n * unit / gib, true
}

// formatGiB is the shortest decimal: "8", "0.5".
func formatGiB(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// canonicalGiB is a size of PVE in the inventory's form, "" when it cannot be read.
func canonicalGiB(s string) string {
	n, ok := parseGiB(s)
	if !ok {
		return ""
	}
	return formatGiB(n)
}
