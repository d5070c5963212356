package trust

import "embed"

//go:embed owners.schema.json signers.schema.json
var schemas embed.FS

// Kinds are the kinds of files that have a schema here.
func Kinds() []string { return []string{"owners", "signers"} }

// Schema is the JSON Schema of a kind of file, for editors; nil where there is none.
func Schema(kind string) []byte {
	text, err := schemas.ReadFile(kind + ".schema.json")
	if err != nil {
		return nil
	}
	return text
}
