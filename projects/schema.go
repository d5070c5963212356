package projects

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Kinds are the kinds of files that have a schema.
func Kinds() []string { return []string{"project", "cohort", "campus"} }

// Schema is the JSON Schema (draft 2020-12) of a kind of file, for editors. It
// is made from the tables that the decoder obeys. The decoder refuses more: what
// depends on other files, such as an address outside its network. An unknown
// kind has no schema, nil.
func Schema(kind string) []byte {
	shapes := map[string]*shape{"project": projectShape, "cohort": cohortShape, "campus": campusShape}
	s := shapes[kind]
	if s == nil {
		return nil
	}
	doc := s.schema()
	doc.Schema = "https://json-schema.org/draft/2020-12/schema"
	doc.Title = "provost " + kind
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("schema of %s: %v", kind, err)) // strings, numbers and maps always marshal
	}
	return append(out, '\n')
}

// jsonSchema is the part of JSON Schema that we need.
type jsonSchema struct {
	Schema        string                 `json:"$schema,omitempty"`
	Title         string                 `json:"title,omitempty"`
	Description   string                 `json:"description,omitempty"`
	Type          []string               `json:"type,omitempty"`
	Enum          []any                  `json:"enum,omitempty"` // texts, numbers and truth values
	Pattern       string                 `json:"pattern,omitempty"`
	MaxLength     int                    `json:"maxLength,omitempty"`
	Minimum       *int                   `json:"minimum,omitempty"`
	Maximum       *int                   `json:"maximum,omitempty"`
	Properties    map[string]*jsonSchema `json:"properties,omitempty"`
	PropertyNames *jsonSchema            `json:"propertyNames,omitempty"`
	Additional    *additional            `json:"additionalProperties,omitempty"`
	Required      []string               `json:"required,omitempty"`
	Items         *jsonSchema            `json:"items,omitempty"`
}

// additional is false, or the schema of further properties.
type additional struct{ schema *jsonSchema }

func (a additional) MarshalJSON() ([]byte, error) {
	if a.schema == nil {
		return []byte("false"), nil
	}
	return json.Marshal(a.schema)
}

func (s *shape) schema() *jsonSchema {
	j := &jsonSchema{Description: s.doc}
	switch s.kind {
	case text:
		j.Type, j.MaxLength, j.Pattern = []string{"string"}, textLimit, notBlank
		if s.like != nil {
			j.Pattern = s.like.re.String()
		}
		j.enumerate(s.enum)
	case label:
		j.Type, j.Pattern = []string{"string", "integer"}, notBlank
	case whole:
		j.Type, j.Pattern, j.Minimum = []string{"integer", "string"}, digits.String(), &s.min
		if s.max > 0 {
			j.Maximum = &s.max
		}
	case truth:
		j.Enum = []any{true, false, 0, 1, "true", "false", "0", "1"}
	case list:
		j.Type, j.Items = []string{"array"}, s.elem.schema()
		if s.elem.kind == text {
			j.Type, j.Pattern = []string{"array", "string"}, notBlank
		}
	case object:
		s.objectSchema(j)
		if s.short != nil {
			j.Type, j.Pattern = []string{"object", "string"}, "^("+strings.Join(s.short.enum, "|")+")$"
		}
	}
	return j
}

// notBlank is what every text holds at least.
const notBlank = `\S`

func (j *jsonSchema) enumerate(words []string) {
	for _, w := range words {
		j.Enum = append(j.Enum, w)
	}
	if len(words) > 0 {
		j.Pattern, j.MaxLength = "", 0
	}
}

func (s *shape) objectSchema(j *jsonSchema) {
	j.Type, j.Additional = []string{"object"}, &additional{}
	for _, k := range s.keys {
		if j.Properties == nil {
			j.Properties = map[string]*jsonSchema{}
		}
		j.Properties[k.name] = k.shape.schema()
		if k.required {
			j.Required = append(j.Required, k.name)
		}
	}
	if s.rest != nil {
		j.Additional.schema = s.rest.schema()
	}
	if s.name != nil {
		j.PropertyNames = &jsonSchema{Pattern: s.name.re.String()}
	}
}
