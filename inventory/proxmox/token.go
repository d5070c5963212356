package proxmox

import (
	"fmt"
	"os"
	"strings"
	"sync"

	pve "github.com/Telmate/proxmox-api-go/proxmox"
)

// login is the token that requests carry. Its file is read again when the server
// does not accept it any more, so that it can be renewed without a restart.
type login struct {
	file string

	mu     sync.Mutex
	id     pve.ApiTokenID
	secret pve.ApiTokenSecret
}

func newLogin(file string) (*login, error) {
	id, secret, err := readToken(file)
	return &login{file: file, id: id, secret: secret}, err
}

// readToken never says what is in the file.
func readToken(file string) (pve.ApiTokenID, pve.ApiTokenSecret, error) {
	var id pve.ApiTokenID
	data, err := os.ReadFile(file)
	if err != nil {
		return id, "", fmt.Errorf("cannot read token_file: %w", err)
	}
	name, secret, ok := strings.Cut(strings.TrimSpace(string(data)), "=")
	if !ok || secret == "" || strings.ContainsAny(secret, " \r\n") || id.Parse(name) != nil {
		return id, "", fmt.Errorf("cannot read token_file: %s does not hold one line user@realm!name=secret", file)
	}
	return id, pve.ApiTokenSecret(secret), nil
}

// name is user@realm!name, without the secret.
func (l *login) name() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id.String()
}

// header is what the request says.
func (l *login) header() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return headerOf(l.id, l.secret)
}

func headerOf(id pve.ApiTokenID, secret pve.ApiTokenSecret) string {
	return "PVEAPIToken=" + id.String() + "=" + string(secret)
}

// renewed reports whether there is another token by now than the one that was
// refused.
func (l *login) renewed(refused string) bool {
	id, secret, err := readToken(l.file)
	if err != nil || headerOf(id, secret) == refused {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id, l.secret = id, secret
	return true
}
