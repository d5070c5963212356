package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// simWord runs provost sim until the story ends, and makes a configuration for its
// cluster: sim [FLAGS].
func simWord(ts *testscript.TestScript, neg bool, args []string) {
	facts, stop, err := runSim(args...)
	ts.Check(err)
	ts.Defer(func() { ts.Check(stop()) })
	dir := ts.MkAbs("sim")
	ts.Check(os.MkdirAll(dir, 0o700))
	token := filepath.Join(dir, "token")
	ts.Check(os.WriteFile(token, []byte(facts["token"]+"\n"), 0o600))
	config := strings.Join([]string{
		"campus: isima", "state: " + filepath.Join(dir, "state"), "repository: {url: " + dir + "}", "systems:", "  cri:", "    proxmox:",
		fmt.Sprintf("      endpoints: [%q]", facts["pve1"]), "      token_file: " + token, "      ca_file: " + facts["authority"],
		fmt.Sprintf("      ssh: {hosts: [%q], key_file: %q, known_hosts_file: %q}", strings.Fields(facts["SSH"])[0], facts["SSH key"], facts["known hosts"]), "",
	}, "\n")
	ts.Setenv("CONFIG", filepath.Join(dir, "provost.yaml"))
	ts.Check(os.WriteFile(ts.Getenv("CONFIG"), []byte(config), 0o600))
}
