package winsim

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// sealer seals and unseals the messages of one connection, as the server.
// NTLMv2 session security with 128 bits only.
type sealer struct {
	keyExchange bool
	in, out     direction
}

type direction struct {
	signing []byte
	stream  *rc4.Cipher
	number  uint32
}

var errSealed = errors.New("cannot unseal message")

// newSealer is nil when the client did not ask for what sealing wants.
func newSealer(flags uint32, session []byte) *sealer {
	const want = flagSeal | flagSign | flagExtended | flag128
	if flags&want != want {
		return nil
	}
	return &sealer{
		keyExchange: flags&flagKeyExch != 0,
		in:          newDirection(session, "client-to-server"),
		out:         newDirection(session, "server-to-client"),
	}
}

func newDirection(session []byte, way string) direction {
	key := func(purpose string) []byte {
		sum := md5.Sum(append(bytes.Clone(session), "session key to "+way+" "+purpose+" key magic constant\x00"...))
		return sum[:]
	}
	stream, err := rc4.NewCipher(key("sealing"))
	if err != nil {
		panic(err) // a key of 16 bytes is always good
	}
	return direction{signing: key("signing"), stream: stream}
}

// signature uses up key stream and a number: one call a message.
func (d *direction) signature(message []byte, keyExchange bool) []byte {
	number := binary.LittleEndian.AppendUint32(nil, d.number)
	d.number++
	sum := hmacMD5(d.signing, number, message)[:8]
	if keyExchange {
		d.stream.XORKeyStream(sum, sum)
	}
	return append(append([]byte{1, 0, 0, 0}, sum...), number...)
}

func (s *sealer) seal(message []byte) []byte {
	sealed := make([]byte, len(message))
	s.out.stream.XORKeyStream(sealed, message)
	signature := s.out.signature(message, s.keyExchange)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(signature)))
	return append(append(b, signature...), sealed...)
}

func (s *sealer) unseal(b []byte) ([]byte, error) {
	if len(b) < 20 || binary.LittleEndian.Uint32(b) != 16 {
		return nil, fmt.Errorf("%w: no signature of 16 bytes", errSealed)
	}
	signature, message := b[4:20], make([]byte, len(b)-20)
	s.in.stream.XORKeyStream(message, b[20:])
	if !hmac.Equal(signature, s.in.signature(message, s.keyExchange)) {
		return nil, fmt.Errorf("%w: the signature is wrong", errSealed)
	}
	return message, nil
}

// The envelope of a sealed message, as MS-WSMV has it: almost MIME.
const (
	sealedProtocol = "application/HTTP-SPNEGO-session-encrypted"
	sealedType     = `multipart/encrypted;protocol="` + sealedProtocol + `";boundary="Encrypted Boundary"`
	soapType       = "application/soap+xml;charset=UTF-8"

	boundary   = "--Encrypted Boundary\r\n"
	lastLine   = "--Encrypted Boundary--\r\n"
	lengthMark = "Length="
)

// decodeSealed finds the sealed bytes in a body, and the length of what they hold.
func decodeSealed(body []byte) (sealed []byte, length int, err error) {
	rest, ok := bytes.CutPrefix(body, []byte(boundary))
	header, rest, found := bytes.Cut(rest, []byte(boundary))
	if !ok || !found || !bytes.Contains(header, []byte("Content-Type: "+sealedProtocol+"\r\n")) {
		return nil, 0, fmt.Errorf("%w: the parts are not there", errSealed)
	}
	_, number, _ := bytes.Cut(header, []byte(lengthMark))
	length, err = strconv.Atoi(string(bytes.TrimSpace(number)))
	if err != nil || length < 0 {
		return nil, 0, fmt.Errorf("%w: its length is not given", errSealed)
	}
	rest, ok = bytes.CutPrefix(rest, []byte("\tContent-Type: application/octet-stream\r\n"))
	sealed, found = bytes.CutSuffix(rest, []byte(lastLine))
	if !ok || !found {
		return nil, 0, fmt.Errorf("%w: the second part is not whole", errSealed)
	}
	return sealed, length, nil
}

func encodeSealed(sealed []byte, length int) []byte {
	var b bytes.Buffer
	b.WriteString(boundary)
	fmt.Fprintf(&b, "\tContent-Type: %s\r\n\tOriginalContent: type=%s;%s%d\r\n", sealedProtocol, soapType, lengthMark, length)
	b.WriteString(boundary + "\tContent-Type: application/octet-stream\r\n")
	b.Write(sealed)
	b.WriteString(lastLine)
	return b.Bytes()
}
