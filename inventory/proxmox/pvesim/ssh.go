package pvesim

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// serveSSH serves one connection: an authorised key, one forced command.
func (c *Cluster) serveSSH(n *node, plain net.Conn) {
	raw := queueWrites(plain)
	defer raw.Close()
	if !c.sleep(c.costsNow().SSH) {
		return
	}
	config := &ssh.ServerConfig{PublicKeyCallback: c.checkKey}
	config.AddHostKey(c.host)
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for ch := range channels {
		if ch.ChannelType() != "session" {
			ch.Reject(ssh.Prohibited, "only sessions")
			continue
		}
		session, reqs, err := ch.Accept()
		if err != nil {
			return
		}
		sessions.Go(func() { c.session(n, session, reqs) })
	}
}

func (c *Cluster) checkKey(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.sshKeys {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("key %s is not authorised", ssh.FingerprintSHA256(key))
}

// session answers an exec or shell request with the forced command, whatever
// was asked for, unless it is a word that the command refuses.
func (c *Cluster) session(n *node, s ssh.Channel, reqs <-chan *ssh.Request) {
	defer s.Close()
	for req := range reqs {
		if req.Type != "exec" && req.Type != "shell" {
			req.Reply(req.Type == "env", nil)
			continue
		}
		var original struct{ Command string }
		if req.Type == "exec" {
			if err := ssh.Unmarshal(req.Payload, &original); err != nil {
				req.Reply(false, nil)
				return
			}
		}
		req.Reply(true, nil)
		status := c.forcedCommand(n, s, strings.TrimSpace(original.Command))
		s.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
		return
	}
}

// forcedCommand is:
//
//	cd /etc/pve && case $SSH_ORIGINAL_COMMAND in versions) exec tar -cf - .vmlist;;
//	unlock\ lxc\ [0-9]*) exec pct unlock "${SSH_ORIGINAL_COMMAND##* }";;
//	unlock\ qemu\ [0-9]*) exec qm unlock "${SSH_ORIGINAL_COMMAND##* }";;
//	*) exec tar -cf - .vmlist nodes/*/lxc nodes/*/qemu-server;; esac
//
// but stricter: a word that it does not know is refused.
func (c *Cluster) forcedCommand(n *node, s ssh.Channel, original string) uint32 {
	if words := strings.Fields(original); len(words) == 3 && words[0] == "unlock" {
		return c.unlock(n, s, words[1], words[2])
	}
	c.mu.Lock()
	var files []file
	cost := time.Duration(len(c.guests)) * c.costs.File
	switch original {
	case "", "read":
		files = c.etcPVE()
	case "versions":
		files, cost = []file{{".vmlist", c.vmlist()}}, 0
	}
	if files != nil {
		c.sshReads++
	}
	c.mu.Unlock()
	if files == nil {
		fmt.Fprintf(s.Stderr(), "refused: %q\n", original)
		return 1
	}
	if !c.sleep(cost) {
		return 1
	}
	if err := writeTar(s, files); err != nil {
		return 1
	}
	return 0
}

// unlock is pct unlock or qm unlock, which know the guests of their node alone.
func (c *Cluster) unlock(n *node, s ssh.Channel, kind, vmid string) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := strconv.Atoi(vmid)
	g := c.guests[id]
	if err != nil || g == nil || g.node != n || g.kind != kind {
		fmt.Fprintf(s.Stderr(), "Configuration file 'nodes/%s/%s/%s.conf' does not exist\n", n.name, confDir(kind), vmid)
		return 2
	}
	g.setLock(c, "")
	return 0
}

type file struct{ name, text string }

// etcPVE is what /etc/pve holds of guests, as it stands at this moment. The
// files of a node that is down are there too: each node has all of them.
func (c *Cluster) etcPVE() []file {
	files := []file{{".vmlist", c.vmlist()}}
	for _, n := range c.nodes {
		files = append(files, file{name: "nodes/" + n.name + "/lxc/"}, file{name: "nodes/" + n.name + "/qemu-server/"})
		for _, g := range c.sortedGuests() {
			if g.node == n {
				files = append(files, file{fmt.Sprintf("nodes/%s/%s/%d.conf", n.name, confDir(g.kind), g.vmid), g.conf.String()})
			}
		}
	}
	return files
}

// vmlist is /etc/pve/.vmlist in the layout of pmxcfs.
func (c *Cluster) vmlist() string {
	var rows []string
	for _, g := range c.sortedGuests() {
		rows = append(rows, fmt.Sprintf("\"%d\": { \"node\": \"%s\", \"type\": \"%s\", \"version\": %d }", g.vmid, g.node.name, g.kind, g.version))
	}
	return fmt.Sprintf("{\n\"version\": %d,\n\"ids\": {\n%s}\n\n}\n", c.version, strings.Join(rows, ",\n"))
}

func writeTar(w io.Writer, files []file) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o640, Size: int64(len(f.text)), ModTime: time.Unix(0, 0), Uname: "root", Gname: "www-data", Gid: 33}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o750
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.WriteString(t, f.text); err != nil {
			return err
		}
	}
	return t.Close()
}
