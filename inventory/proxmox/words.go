package proxmox

import (
	"fmt"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Explain implements reconciler.Explainer.
func (c *Cluster) Explain(claim string) (changes, what string) {
	kind, name := c.claimed(claim)
	width := c.Width(claim)
	switch kind {
	case "template":
		return "clones", c.templateWords(name, width)
	case "copies":
		return "copies", "clones of template " + name + " to be timed"
	case "archive":
		return "restores", c.archiveWords(name, width)
	case "original":
		return "linked clones", "template " + strings.ReplaceAll(name, "+", " and ") + atOnce(c.cfg.Limits.ClonesPerTemplate*(1+strings.Count(name, "+")))
	case "storage":
		return "clones", "storage " + name + atOnce(width)
	case "tasks":
		return "changes", "node " + name + atOnce(width)
	case "starts", "stops":
		if name == "" {
			name = "any"
		}
		return kind, "node " + name + atOnce(width)
	}
	return "changes", claim
}

// templateWords tells how far the fan-out has come: of how many sources that
// there are to be how many can be cloned now.
func (c *Cluster) templateWords(names string, width int) string {
	vmids := strings.Split(names, "+")
	words := "template " + names
	if len(vmids) > 1 {
		words = "templates " + strings.Join(vmids, " and ")
	}
	sources := c.sourcesOf(names) / c.cfg.Limits.ClonesPerTemplate
	if sources == 0 { // machines, which any number may clone
		return words + atOnce(width)
	}
	planned := len(vmids)
	for _, vmid := range vmids {
		planned += c.plannedCopies(vmid)
	}
	if planned == 1 && sources == 1 {
		return words + atOnce(c.cfg.Limits.ClonesPerTemplate)
	}
	return fmt.Sprintf("%s: fan-out %d/%d", words, sources, max(sources, planned))
}

// atOnce is nothing where the width is not known.
func atOnce(width int) string {
	if width == 0 {
		return ""
	}
	return fmt.Sprintf(": %d at once", width)
}

// notePlanned remembers how many copies of each template there are to be when
// these changes are done.
func (c *Cluster) notePlanned(changes []inventory.Change) {
	planned := map[string]int{}
	for source, copies := range c.look().copies {
		planned[source] = len(copies)
	}
	for _, ch := range changes {
		if ch.Key.Kind() == kindCopy && ch.After != nil {
			planned[ch.After.Attrs["source"]]++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planned = planned
}

// unplanCopy forgets a copy that will not be made.
func (c *Cluster) unplanCopy(source string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planned[source]--
}

func (c *Cluster) plannedCopies(source string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.planned[source]
}
