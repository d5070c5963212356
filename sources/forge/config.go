package forge

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config says where a forge is and as whom to speak to it.
type Config struct {
	URL       string        `yaml:"url"`        // "https://gitlab.example.org"
	Project   string        `yaml:"project"`    // "group/name"
	Branch    string        `yaml:"branch"`     // requests into other branches are left alone; all are listed when empty
	TokenFile string        `yaml:"token_file"` // read again for every request, so that it can be rotated
	CAFile    string        `yaml:"ca_file"`    // PEM; the system's authorities when empty
	Timeout   time.Duration `yaml:"timeout"`    // of one request; 15s when zero

	// Transport carries requests; nil means TLS over TCP as said above. Tests put
	// memory in its place.
	Transport http.RoundTripper `yaml:"-"`
}

const defaultTimeout = 15 * time.Second

// Check says what is wrong with a configuration, all of it at once.
func (c Config) Check() error {
	var wrong []error
	if _, err := c.address(); err != nil {
		wrong = append(wrong, err)
	}
	if owner, name, ok := strings.Cut(c.Project, "/"); !ok || owner == "" || name == "" {
		wrong = append(wrong, fmt.Errorf("cannot use project %q: want group/name", c.Project))
	}
	if c.TokenFile == "" {
		wrong = append(wrong, errors.New("cannot log in to the forge: token_file is missing"))
	}
	if c.Timeout < 0 {
		wrong = append(wrong, fmt.Errorf("cannot use timeout %s", c.Timeout))
	}
	return errors.Join(wrong...)
}

// address is the URL, checked.
func (c Config) address() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("cannot use the forge's url: want one such as https://gitlab.example.org")
	case u.User != nil:
		return nil, errors.New("cannot use the forge's url: it holds credentials; put the token in token_file")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("cannot use the forge's url: it has a query or a fragment")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("cannot use the forge's url %q: want https, so that the token is not sent in clear", u.Redacted())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

const longestToken = 4096

// token reads the token. Errors name the file and never its content.
func (c Config) token() (string, error) {
	data, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("cannot read the forge's token: %v", err)
	}
	token := strings.TrimSpace(string(data))
	switch {
	case token == "":
		return "", fmt.Errorf("cannot use the forge's token: %s is empty", c.TokenFile)
	case len(token) > longestToken, strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("cannot use the forge's token: %s does not hold just a token", c.TokenFile)
	}
	return token, nil
}
