package winsim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// NTLM's messages, as MS-NLMP lays them out: the decoders of what a client
// sends, and the encoder of the challenge.

const (
	flagUnicode    = 1 << 0
	flagOEM        = 1 << 1
	flagReqTarget  = 1 << 2
	flagSign       = 1 << 4
	flagSeal       = 1 << 5
	flagNTLM       = 1 << 9
	flagAlwaysSign = 1 << 15
	flagTypeDomain = 1 << 16
	flagExtended   = 1 << 19
	flagTargetInfo = 1 << 23
	flagVersion    = 1 << 25
	flag128        = 1 << 29
	flagKeyExch    = 1 << 30
	flag56         = 1 << 31

	// offered is what the acceptor grants of what the client asks for.
	offered = flagUnicode | flagSign | flagSeal | flagNTLM | flagAlwaysSign | flagExtended |
		flagVersion | flag128 | flagKeyExch | flag56
)

const (
	avEOL = iota
	avNetBIOSComputer
	avNetBIOSDomain
	avDNSComputer
	avDNSDomain
	_
	avFlags
	avTimestamp
	_
	_
	avChannelBindings
)

const (
	avFlagMIC  = 2
	micOffset  = 72 // behind the fixed fields and the version
	micLength  = 16
	proofBytes = 16
	blobFixed  = 28 // the fixed part of an NTLMv2 client challenge
)

var (
	ntlmSignature = []byte("NTLMSSP\x00")
	ntlmVersion   = []byte{10, 0, 0x63, 0x45, 0, 0, 0, 15} // Windows Server 2019

	errNTLM = errors.New("cannot read NTLM message")
)

// ntlmType is the type of a message, 0 when it is none.
func ntlmType(b []byte) uint32 {
	if len(b) < 12 || !bytes.HasPrefix(b, ntlmSignature) {
		return 0
	}
	return binary.LittleEndian.Uint32(b[8:])
}

// parseNegotiate reads the flags that the client asks for.
func parseNegotiate(b []byte) (flags uint32, err error) {
	if ntlmType(b) != 1 || len(b) < 16 {
		return 0, fmt.Errorf("%w: no negotiate message", errNTLM)
	}
	return binary.LittleEndian.Uint32(b[12:]), nil
}

// authenticate is the client's third message.
type authenticate struct {
	flags        uint32
	domain, user string
	nt           []byte // NTProofStr and the client's challenge
	sessionKey   []byte // encrypted; empty without key exchange
	raw          []byte
}

func parseAuthenticate(b []byte) (*authenticate, error) {
	if ntlmType(b) != 3 || len(b) < 64 {
		return nil, fmt.Errorf("%w: no authenticate message", errNTLM)
	}
	m := &authenticate{flags: binary.LittleEndian.Uint32(b[60:]), raw: b}
	var domain, user []byte
	for _, f := range []struct {
		at  int
		dst *[]byte
	}{{20, &m.nt}, {28, &domain}, {36, &user}, {52, &m.sessionKey}} {
		v, err := payload(b, f.at)
		if err != nil {
			return nil, err
		}
		*f.dst = v
	}
	m.domain, m.user = decodeName(domain, m.flags), decodeName(user, m.flags)
	return m, nil
}

// payload follows a length and an offset to what they point at.
func payload(b []byte, at int) ([]byte, error) {
	length := int64(binary.LittleEndian.Uint16(b[at:]))
	offset := int64(binary.LittleEndian.Uint32(b[at+4:]))
	if length == 0 {
		return nil, nil
	}
	if offset < 64 || offset+length > int64(len(b)) {
		return nil, fmt.Errorf("%w: a field lies outside", errNTLM)
	}
	return b[offset : offset+length], nil
}

// parseAVPairs reads a list of attributes up to its end mark.
func parseAVPairs(b []byte) (map[uint16][]byte, error) {
	pairs := map[uint16][]byte{}
	for len(b) >= 4 {
		id, length := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		b = b[4:]
		if id == avEOL {
			return pairs, nil
		}
		if length > len(b) {
			break
		}
		pairs[id], b = b[:length], b[length:]
	}
	return nil, fmt.Errorf("%w: the target information does not end", errNTLM)
}

// clientBlob is what the client adds to the server's challenge.
type clientBlob struct {
	timestamp []byte
	pairs     map[uint16][]byte
}

func parseClientBlob(b []byte) (*clientBlob, error) {
	if len(b) < blobFixed || b[0] != 1 || b[1] != 1 {
		return nil, fmt.Errorf("%w: the response is not NTLMv2", errNTLM)
	}
	pairs, err := parseAVPairs(b[blobFixed:])
	if err != nil {
		return nil, err
	}
	return &clientBlob{timestamp: b[8:16], pairs: pairs}, nil
}

// encodeChallenge is the server's message; the target in it is a name.
func encodeChallenge(flags uint32, challenge [8]byte, target string, info []byte) []byte {
	name := encodeName(target, flags)
	const fixed = 56
	b := append([]byte(nil), ntlmSignature...)
	b = binary.LittleEndian.AppendUint32(b, 2)
	b = appendField(b, len(name), fixed)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = append(b, challenge[:]...)
	b = append(b, make([]byte, 8)...)
	b = appendField(b, len(info), fixed+len(name))
	b = append(b, ntlmVersion...)
	b = append(b, name...)
	return append(b, info...)
}

func appendField(b []byte, length, offset int) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	return binary.LittleEndian.AppendUint32(b, uint32(offset))
}

func appendAV(b []byte, id uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// Names are in Unicode, or in the code page of old for clients that ask so.
func encodeName(s string, flags uint32) []byte {
	if flags&flagUnicode == 0 {
		return []byte(s)
	}
	return toUTF16(s)
}

func decodeName(b []byte, flags uint32) string {
	if flags&flagUnicode == 0 {
		return string(b)
	}
	return fromUTF16(b)
}

func toUTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// fromUTF16 drops half a character at the end.
func fromUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
