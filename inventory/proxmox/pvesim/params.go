package pvesim

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// readParams reads a request's parameters from its query and its body, which
// may be a form or JSON. refs names those that came as JSON
// objects, "HASH", or as lists, "ARRAY", whose words a NUL separates.
func readParams(req *http.Request, body []byte) (params, refs map[string]string, err error) {
	params, refs = map[string]string{}, map[string]string{}
	addForm(params, refs, req.URL.Query())
	if len(body) == 0 {
		return params, refs, nil
	}
	kind := req.Header.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(kind)
	switch media {
	case "application/x-www-form-urlencoded", "":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, nil, die("%s", err)
		}
		addForm(params, refs, form)
	case "application/json":
		return params, refs, addJSON(params, refs, body)
	default:
		text := fmt.Sprintf("upload 'Content-Type '%s' not implemented", kind)
		return nil, nil, &apiError{status: 506, reason: text, plain: true}
	}
	return params, refs, nil
}

func addForm(params, refs map[string]string, form url.Values) {
	for name, values := range form {
		params[name] = strings.Join(values, "\x00")
		if len(values) > 1 {
			refs[name] = "ARRAY"
		}
	}
}

func addJSON(params, refs map[string]string, body []byte) error {
	var raw map[string]any
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	if err := dec.Decode(&raw); err != nil {
		return &apiError{status: 500, reason: "malformed JSON string: " + err.Error()}
	}
	for name, value := range raw {
		switch v := value.(type) {
		case []any:
			words := []string{}
			for _, item := range v {
				words = append(words, scalar(item))
			}
			params[name], refs[name] = strings.Join(words, "\x00"), "ARRAY"
		case map[string]any:
			refs[name] = "HASH"
		case nil: // as if it were not there
		default:
			params[name] = scalar(v)
		}
	}
	return nil
}

// scalar is a JSON value as a form would carry it.
func scalar(value any) string {
	switch v := value.(type) {
	case bool:
		if v {
			return "1"
		}
		return "0"
	case nil:
		return ""
	}
	return fmt.Sprint(value)
}
