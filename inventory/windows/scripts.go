package windows

import (
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"
)

//go:embed bootstrap.ps1
var bootstrapScript string

//go:embed common.ps1
var commonScript string

//go:embed list.ps1
var listScript string

//go:embed apply.ps1
var applyScript string

// The verbs: what a command can be asked to do.
const (
	verbList  = "list"
	verbApply = "apply"
)

// script is the text that stands for a verb.
func script(verb string) string {
	if verb == verbApply {
		return commonScript + applyScript
	}
	return commonScript + listScript
}

// Scripts gives the verb of each script by the SHA-256 of its text, in
// lower-case hexadecimal.
func Scripts() map[string]string {
	return map[string]string{
		hash([]byte(script(verbList))):  verbList,
		hash([]byte(script(verbApply))): verbApply,
	}
}

// CommandLine is the one command that is started on a server. cmd.exe takes
// 8,191 characters, so the bootstrap travels without its comments.
func CommandLine() string {
	var code []byte
	for _, unit := range utf16.Encode([]rune(withoutComments(bootstrapScript))) {
		code = binary.LittleEndian.AppendUint16(code, unit)
	}
	return "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand " +
		base64.StdEncoding.EncodeToString(code)
}

// withoutComments leaves out comment lines, blank lines and indentation.
func withoutComments(script string) string {
	var keep []string
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "\n")
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
