package proxmox

import (
	"maps"
	"sync"
	"time"
)

// kept is what the last read over SSH gave. Where the forced command knows the
// word "versions", only .vmlist is asked for, and what has not changed since is
// taken from here.
type kept struct {
	mu      sync.Mutex
	host    string          // versions are counted by each host for itself
	plain   map[string]bool // hosts whose command gives all, whatever the word
	whole   time.Time       // of the last read of everything
	version int64
	guests  map[string]keptGuest // by VMID
}

type keptGuest struct {
	guest
	version int64
}

// The words that the forced command may know.
const (
	wordRead     = "read"
	wordVersions = "versions"
)

const (
	// wholeEvery bounds what a counter that began anew could hide.
	wholeEvery = 10 * time.Minute
	// fewChanged are read over the API, one request each; more in one read of all.
	fewChanged = 8
)

// read asks a host for what is not known yet. What changed and is only a little
// is left out: it is read over the API.
func (k *kept) read(host string, ask func(word string) (clusterFiles, error)) (clusterFiles, error) {
	if k.usable(host) {
		files, err := ask(wordVersions)
		switch {
		case err != nil || len(files.guests) > 0:
			k.isPlain(host)
			if err == nil {
				return files, nil
			}
		case k.fill(&files) <= fewChanged:
			files.partial = true
			return files, nil
		}
	}
	files, err := ask(wordRead)
	if err == nil {
		k.keep(host, files)
	}
	return files, err
}

func (k *kept) usable(host string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.host == host && !k.plain[host] && time.Since(k.whole) < wholeEvery
}

func (k *kept) isPlain(host string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.plain == nil {
		k.plain = map[string]bool{}
	}
	k.plain[host] = true
}

// fill adds the guests that stand as they did, and counts the others. A list
// whose version went back is not of the same count.
func (k *kept) fill(files *clusterFiles) (changed int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if files.vmlist.version < k.version {
		return fewChanged + 1
	}
	for vmid, now := range files.vmlist.guests {
		if old, ok := k.guests[vmid]; ok && old.ref == now.ref && old.version == now.version {
			files.guests[vmid] = old.guest
		} else {
			changed++
		}
	}
	return changed
}

func (k *kept) keep(host string, files clusterFiles) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.host, k.whole, k.version = host, time.Now(), files.vmlist.version
	k.guests = make(map[string]keptGuest, len(files.guests))
	for vmid, g := range files.guests {
		// The list is read first: a file that was written meanwhile counts as changed.
		if now, ok := files.vmlist.guests[vmid]; ok && now.ref == g.ref {
			k.guests[vmid] = keptGuest{g, now.version}
		}
	}
}

// learn keeps what was read over the API since, under the versions of a list
// that was read before.
func (k *kept) learn(list *vmList, read map[string]guest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.guests == nil || list == nil || list.version < k.version {
		return
	}
	k.version = list.version
	guests := maps.Clone(k.guests)
	for vmid, g := range read {
		if now, ok := list.guests[vmid]; ok && now.ref == g.ref && g.cfg != nil {
			guests[vmid] = keptGuest{guest{ref: g.ref, cfg: g.cfg}, now.version}
		}
	}
	for vmid := range guests {
		if _, ok := list.guests[vmid]; !ok {
			delete(guests, vmid)
		}
	}
	k.guests = guests
}
