package windows

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// frameWord begins the header of the input and every line of the output.
const frameWord = "provost1"

// errLostInput means that standard input did not arrive whole: nothing ran.
var errLostInput = errors.New("standard input was lost on the way")

// section is one object of an answer.
type section struct {
	Part  string            `json:"part"`
	Of    string            `json:"of"`
	Items []json.RawMessage `json:"items"`
	Error *remoteError      `json:"error"`

	Count  int    `json:"count"`  // trailer only
	SHA256 string `json:"sha256"` // trailer only
}

// encodeInput is what a command reads: header, script and document.
func encodeInput(script string, document []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %d %s %d %s\n", frameWord, len(script), hash([]byte(script)), len(document), hash(document))
	for _, part := range [][]byte{[]byte(script), document} {
		b.WriteString(base64.StdEncoding.EncodeToString(part))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// decodeOutput reads an answer. Without a trailer whose count and hash fit, all
// of it is void: a part that got lost must never look like deletion.
func decodeOutput(out []byte) ([]section, error) {
	var sections []section
	sum := sha256.New()
	for line := range bytes.Lines(out) {
		text, ok := frameText(line)
		if !ok {
			continue
		}
		s, err := decodeSection(text)
		if err != nil {
			return nil, err
		}
		if s.Part == "trailer" {
			if s.Count != len(sections) || s.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
				return nil, errors.New("cannot trust the answer: its trailer does not fit")
			}
			return sections, scriptFault(sections)
		}
		sum.Write(text)
		sum.Write([]byte("\n"))
		sections = append(sections, s)
	}
	return nil, errors.New("cannot trust the answer: it has no trailer")
}

// frameText is the base64 of a line of ours; every other line is noise.
func frameText(line []byte) ([]byte, bool) {
	line = bytes.TrimPrefix(line, []byte("\ufeff"))
	text, ok := bytes.CutPrefix(line, []byte(frameWord+" "))
	return bytes.TrimRight(text, "\r\n"), ok
}

func decodeSection(text []byte) (section, error) {
	var s section
	raw, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	if err != nil {
		return section{}, fmt.Errorf("cannot read a line of the answer: %v", err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return section{}, fmt.Errorf("cannot read a line of the answer: %v", err)
	}
	return s, nil
}

// scriptFault is the error with which the bootstrap ended, if it did.
func scriptFault(sections []section) error {
	for _, s := range sections {
		switch {
		case s.Part != "fault":
		case s.Of == "frame":
			return errLostInput
		case s.Error != nil:
			return fmt.Errorf("the script broke off: %v", s.Error)
		default:
			return errors.New("the script broke off")
		}
	}
	return nil
}
