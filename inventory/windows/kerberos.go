package windows

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/spnego"
)

// kerberos proves who we are with a ticket for HTTP/<host>. The WinRM library
// has such a login too, but it logs in to the KDC for every message, takes no
// keytab, and honours proxies of the environment.
type kerberos struct {
	cfg Config
	spn string

	mu     sync.Mutex
	client *client.Client // nil until the first login, and after a refusal
}

// authorization is the header that carries the ticket.
func (k *kerberos) authorization() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil {
		c, err := k.login()
		if err != nil {
			return "", err
		}
		k.client = c
	}
	req := &http.Request{Header: http.Header{}}
	if err := spnego.SetSPNEGOHeader(k.client, req, k.spn); err != nil {
		k.client.Destroy()
		k.client = nil // a changed password is read at the next login
		return "", fmt.Errorf("no ticket for %s: %v", k.spn, err)
	}
	return req.Header.Get("Authorization"), nil
}

func (k *kerberos) login() (*client.Client, error) {
	realms, err := config.Load(k.cfg.Kerberos.Config)
	if err != nil {
		return nil, fmt.Errorf("cannot read kerberos.config: %v", err)
	}
	user, realm, ok := strings.Cut(k.cfg.User, "@")
	if !ok {
		return nil, errors.New("user has no realm: want user@REALM")
	}
	realm = strings.ToUpper(realm)
	if path := k.cfg.Kerberos.Keytab; path != "" {
		keys, err := keytab.Load(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read kerberos.keytab: %v", err)
		}
		return client.NewWithKeytab(user, realm, keys, realms, client.DisablePAFXFAST(true)), nil
	}
	password, err := readSecret(k.cfg.PasswordFile)
	if err != nil {
		return nil, err
	}
	return client.NewWithPassword(user, realm, password, realms, client.DisablePAFXFAST(true)), nil
}
