package winsim

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 NTLM is built on MD4, and the double must speak it //nolint:staticcheck // NTLM is made of it
)

// acceptorConfig is what the server's side of NTLM must know.
type acceptorConfig struct {
	users              map[string]*User // by lower-case name
	netBIOS, dnsDomain string
	computer           string
	bindings           []byte // the hash of the TLS channel, nil without TLS
}

var errLogin = errors.New("cannot log in: the user name or password is not right")

// handshake is a challenge that waits for its answer, on one connection.
type handshake struct {
	negotiate, message []byte // as they went over the wire: the MIC covers them
	challenge          [8]byte
	timestamp          []byte
}

// start answers a negotiate message with a challenge.
func (c *acceptorConfig) start(negotiate []byte) (*handshake, error) {
	asked, err := parseNegotiate(negotiate)
	if err != nil {
		return nil, err
	}
	if asked&flagExtended == 0 {
		return nil, fmt.Errorf("%w: the client does not want extended session security", errNTLM)
	}
	h := &handshake{negotiate: negotiate, timestamp: fileTime(time.Now())}
	rand.Read(h.challenge[:])
	var info []byte
	info = appendAV(info, avNetBIOSDomain, toUTF16(c.netBIOS))
	info = appendAV(info, avNetBIOSComputer, toUTF16(strings.ToUpper(c.computer)))
	info = appendAV(info, avDNSDomain, toUTF16(c.dnsDomain))
	info = appendAV(info, avDNSComputer, toUTF16(c.computer+"."+c.dnsDomain))
	info = appendAV(info, avTimestamp, h.timestamp)
	info = appendAV(info, avEOL, nil)
	granted := uint32(offered)
	if asked&flagUnicode == 0 {
		granted |= flagOEM
	}
	flags := asked&granted | flagReqTarget | flagTypeDomain | flagTargetInfo | flagVersion
	h.message = encodeChallenge(flags, h.challenge, c.netBIOS, info)
	return h, nil
}

// finish checks the client's answer: NTLMv2, the MIC where the client says it
// sent one, the channel binding where it sent one. It gives the user and the
// keys of the session.
func (c *acceptorConfig) finish(h *handshake, message []byte) (*User, *sealer, error) {
	m, err := parseAuthenticate(message)
	if err != nil {
		return nil, nil, err
	}
	user := c.lookup(m.domain, m.user)
	if user == nil || len(m.nt) < proofBytes+blobFixed {
		return nil, nil, errLogin
	}
	proof, blob := m.nt[:proofBytes], m.nt[proofBytes:]
	key := hmacMD5(hashMD4(toUTF16(user.Password)), toUTF16(strings.ToUpper(m.user)+m.domain))
	if !hmac.Equal(proof, hmacMD5(key, h.challenge[:], blob)) {
		return nil, nil, errLogin
	}
	session := hmacMD5(key, proof)
	if m.flags&flagKeyExch != 0 {
		if session, err = exchangedKey(session, m.sessionKey); err != nil {
			return nil, nil, err
		}
	}
	if err := c.checkBlob(h, m, blob, session); err != nil {
		return nil, nil, err
	}
	return user, newSealer(m.flags, session), nil
}

// checkBlob checks what the client's challenge says beyond the password.
func (c *acceptorConfig) checkBlob(h *handshake, m *authenticate, raw, session []byte) error {
	blob, err := parseClientBlob(raw)
	if err != nil {
		return err
	}
	if !bytes.Equal(blob.timestamp, h.timestamp) {
		return fmt.Errorf("%w: the time is not the server's", errLogin)
	}
	if f := blob.pairs[avFlags]; len(f) == 4 && binary.LittleEndian.Uint32(f)&avFlagMIC != 0 {
		if !checkMIC(h, m.raw, session) {
			return fmt.Errorf("%w: the messages were tampered with", errLogin)
		}
	}
	if b := blob.pairs[avChannelBindings]; len(bytes.Trim(b, "\x00")) > 0 && c.bindings != nil && !bytes.Equal(b, c.bindings) {
		return fmt.Errorf("%w: another TLS channel is meant", errLogin)
	}
	return nil
}

func checkMIC(h *handshake, message, session []byte) bool {
	if len(message) < micOffset+micLength {
		return false
	}
	blank := bytes.Clone(message)
	clear(blank[micOffset : micOffset+micLength])
	return hmac.Equal(message[micOffset:micOffset+micLength], hmacMD5(session, h.negotiate, h.message, blank))
}

// lookup finds a user by the ways that Windows takes: NAME, DOMAIN\NAME,
// name@domain, COMPUTER\NAME.
func (c *acceptorConfig) lookup(domain, name string) *User {
	if local, upn, ok := strings.Cut(name, "@"); ok && domain == "" {
		name, domain = local, upn
	}
	for _, ours := range []string{"", c.netBIOS, c.dnsDomain, c.computer} {
		if strings.EqualFold(domain, ours) {
			return c.users[strings.ToLower(name)]
		}
	}
	return nil
}

func exchangedKey(base, encrypted []byte) ([]byte, error) {
	if len(encrypted) != 16 {
		return nil, fmt.Errorf("%w: the session key is not 16 bytes long", errNTLM)
	}
	c, err := rc4.NewCipher(base)
	if err != nil {
		return nil, err
	}
	key := make([]byte, 16)
	c.XORKeyStream(key, encrypted)
	return key, nil
}

// channelBindings is the hash that a client puts into its answer to tie it to
// the TLS channel: tls-server-end-point of RFC 5929 in a GSS structure.
func channelBindings(certificateHash []byte) []byte {
	data := append([]byte("tls-server-end-point:"), certificateHash...)
	b := binary.LittleEndian.AppendUint32(make([]byte, 16), uint32(len(data)))
	sum := md5.Sum(append(b, data...))
	return sum[:]
}

// fileTime counts 100 ns since 1601.
func fileTime(t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(t.UnixNano()/100)+116444736000000000)
}

func hashMD4(b []byte) []byte {
	h := md4.New()
	h.Write(b)
	return h.Sum(nil)
}

func hmacMD5(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}
