package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/projects/example"
)

// canary is a secret that somebody has put where it does not belong, or that is wrong.
const canary = "canary-9f2c-never-shown"

// What is wrong with a configuration or a secret is told without the secret, by
// every command that reads it, whatever the systems answer and however much is logged.
func TestWrongConfigurationsTellNoSecret(t *testing.T) {
	dir := t.TempDir()
	w, err := world.Start(world.Options{Dir: dir, Tree: example.Tree(1, 1), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	path, err := w.Configure("127.0.0.1:0", "1s")
	if err != nil {
		t.Fatal(err)
	}
	config := read(t, path)
	block := "-----BEGIN OPENSSH PRIVATE KEY-----\n" + canary + "\n-----END OPENSSH PRIVATE KEY-----\n"
	for _, c := range []struct{ what, file, content, old, new string }{
		{what: "a token without its name", file: "pve-token", content: canary},
		{what: "a token on two lines", file: "pve-token", content: "provost@pve!daemon=" + canary + "\n" + canary},
		{what: "a wrong token", file: "pve-token", content: "provost@pve!daemon=" + canary},
		{what: "a broken key", file: "pve-ssh-key", content: block},
		{what: "a key that is none", file: "pve-ssh-key", content: canary},
		{what: "a secret among the known hosts", file: "pve-known-hosts", content: canary},
		{what: "a secret for an authority", file: "pve-ca.pem", content: canary},
		{what: "a wrong password", file: "windows-password", content: canary},
		{what: "a secret for Windows' authority", file: "windows-ca.pem", content: block},
		{what: "a wrong token of the forge", file: "gitlab-token", content: canary},
		{what: "two tokens of the forge", file: "gitlab-token", content: canary + " " + canary},
		{what: "a password in the repository's address", old: "  url: http://", new: "  url: https://bot:" + canary + "@"},
		{what: "a password in the forge's address", old: "    url: http://", new: "    url: http://bot:" + canary + "@"},
		{what: "a password in an endpoint", old: "endpoints: [https://", new: "endpoints: [https://root:" + canary + "@"},
		{what: "a password in an ssh address", old: "hosts: [", new: "hosts: [root:" + canary + "@"},
		{what: "a password in a Windows address", old: "servers: [", new: "servers: [svc:" + canary + "@"},
		{what: "a password in an unknown key", old: "password_file:", new: "password: " + canary + "\n      password_file:"},
		{what: "a token in place of a mapping", old: "token_file:", new: "token_file: {value: " + canary + "}\n  token: "},
		{what: "a file that is not YAML", old: "systems:", new: "\tsecret: \"" + canary},
	} {
		t.Run(c.what, func(t *testing.T) {
			text := strings.Replace(config, c.old, c.new, 1)
			if c.file != "" {
				file := filepath.Join(dir, "secrets", c.file)
				good := read(t, file)
				write(t, file, c.content)
				defer write(t, file, good)
			} else if text == config {
				t.Fatalf("the configuration holds no %q", c.old)
			}
			write(t, path, text)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var out bytes.Buffer
			code := run(ctx, &terminal{in: strings.NewReader(""), out: &out, err: &out}, []string{"plan", "--config", path, "--log-level", "debug"})
			if code == exitOK || out.Len() == 0 {
				t.Errorf("exit %d, nobody complained: %s", code, out.String())
			}
			if leakIn(map[string][]byte{c.what: []byte(canary)}, out.Bytes()) != "" {
				t.Errorf("it is told: %s", out.String())
			}
		})
	}
}

// The same of the pages, which the daemon alone opens.
func TestWrongPagesTellNoSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		write(t, filepath.Join(dir, name), content)
		return filepath.Join(dir, name)
	}
	key := "-----BEGIN EC PRIVATE KEY-----\n" + canary + "\n-----END EC PRIVATE KEY-----\n"
	for what, p := range map[string]PagesConfig{
		"a token that is too short":  {TokenFile: file("short", canary[:12])},
		"a broken key":               {TokenFile: file("good", canary+canary), CertFile: file("cert.pem", key), KeyFile: file("key.pem", key)},
		"a key that is none":         {TokenFile: file("good2", canary+canary), CertFile: file("cert2.pem", canary), KeyFile: file("key2.pem", canary)},
		"a key that cannot be read":  {TokenFile: file("good3", canary+canary), CertFile: file("cert3.pem", key), KeyFile: dir},
		"a token that is not a file": {TokenFile: dir},
	} {
		c := &Config{Pages: p}
		_, err := c.access()
		if err == nil {
			_, err = p.secure(nil)
		}
		if err == nil {
			t.Errorf("%s: nobody complained", what)
		} else if strings.Contains(err.Error(), canary[:12]) {
			t.Errorf("%s: it is told: %v", what, err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
