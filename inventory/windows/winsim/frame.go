package winsim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// job is what arrived on a command's standard input.
type job struct {
	verb     string // "" when there is nothing that could run
	document []byte
	damage   string // why the input is not whole
	unknown  string // the hash of a script that the server was not given
}

// unpack reads the three lines that the bootstrap wants.
func (s *Server) unpack(input []byte) job {
	script, document, err := decodeFrame(input)
	if err != nil {
		return job{damage: err.Error()}
	}
	hash := hashOf(script)
	if verb := s.opts.Scripts[hash]; verb != "" {
		return job{verb: verb, document: document}
	}
	return job{unknown: hash}
}

// decodeFrame takes the script and the document out of standard input, if all
// of it arrived.
func decodeFrame(input []byte) (script, document []byte, err error) {
	lines := bytes.Split(input, []byte("\n"))
	if len(lines) != 4 || len(lines[3]) != 0 {
		return nil, nil, fmt.Errorf("want three lines")
	}
	head := strings.Split(string(lines[0]), " ")
	if len(head) != 5 || head[0] != frameWord {
		return nil, nil, fmt.Errorf("the first line is not %s <len> <sha256> <len> <sha256>", frameWord)
	}
	if script, err = decodePart(lines[1], head[1], head[2]); err != nil {
		return nil, nil, fmt.Errorf("the script: %w", err)
	}
	if document, err = decodePart(lines[2], head[3], head[4]); err != nil {
		return nil, nil, fmt.Errorf("the document: %w", err)
	}
	return script, document, nil
}

func decodePart(line []byte, length, hash string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(string(line))
	if err != nil {
		return nil, fmt.Errorf("not base64")
	}
	if n, err := strconv.Atoi(length); err != nil || n != len(raw) {
		return nil, fmt.Errorf("%d bytes arrived of %q", len(raw), length)
	}
	if hashOf(raw) != hash {
		return nil, fmt.Errorf("the hash does not fit")
	}
	return raw, nil
}

const (
	frameWord   = "provost1"
	sectionSize = 500
)

// answer gathers the lines of standard output.
type answer struct {
	lines []string // base64
}

type section struct {
	Part  string          `json:"part"`
	Of    string          `json:"of"`
	Items json.RawMessage `json:"items,omitempty"`
	Error *sectionError   `json:"error,omitempty"`
}

type sectionError struct {
	ErrorID  string `json:"errorId"`
	Category string `json:"category"`
	Message  string `json:"message"`
}

func (a *answer) line(b []byte) { a.lines = append(a.lines, base64.StdEncoding.EncodeToString(b)) }

func (a *answer) fail(part, of string, e *sectionError) {
	a.line(mustJSON(section{Part: part, Of: of, Error: e}))
}

// cmdletFailed is a part that could not be read because a cmdlet failed.
func (a *answer) cmdletFailed(part, of string, err *cmdletError, cmdlet string) {
	a.fail(part, of, &sectionError{err.id(cmdlet), err.Category, err.Message})
}

// addItems writes a part in sections; none is one empty section.
func addItems[T any](a *answer, part, of string, items []T) {
	if len(items) == 0 {
		items = []T{}
		a.line(mustJSON(section{Part: part, Of: of, Items: mustJSON(items)}))
	}
	for chunk := range slices.Chunk(items, sectionSize) {
		a.line(mustJSON(section{Part: part, Of: of, Items: mustJSON(chunk)}))
	}
}

// text is the whole output with its trailer.
func (a *answer) text() string {
	h := sha256.New()
	var b strings.Builder
	for _, l := range a.lines {
		fmt.Fprintf(h, "%s\n", l)
		fmt.Fprintf(&b, "%s %s\r\n", frameWord, l)
	}
	trailer := mustJSON(struct {
		Part  string `json:"part"`
		Count int    `json:"count"`
		Hash  string `json:"sha256"`
	}{"trailer", len(a.lines), hex.EncodeToString(h.Sum(nil))})
	fmt.Fprintf(&b, "%s %s\r\n", frameWord, base64.StdEncoding.EncodeToString(trailer))
	return b.String()
}

// mustJSON encodes our own structures, which always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
