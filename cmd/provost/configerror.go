package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// wrongConfig tells what the YAML library found wrong, each with file, line and
// column and without the names of our types.
func wrongConfig(path string, err error) error {
	var found *yaml.LoadErrors
	if !errors.As(err, &found) {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	var errs []error
	for _, e := range found.Errors {
		errs = append(errs, fmt.Errorf("cannot read %s: line %d, column %d: %s", path, e.Mark.Line, e.Mark.Column, plainly(e.Message)))
	}
	return errors.Join(errs...)
}

var (
	unknownField = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
	wrongType    = regexp.MustCompile(`^cannot construct .* into (\S+)$`)
)

// plainly leaves the value out where it is of the wrong type: it may be a secret
// that stands in the wrong place.
func plainly(message string) string {
	if m := unknownField.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("there is no key %q here; README.md has all of them", m[1])
	}
	if m := wrongType.FindStringSubmatch(message); m != nil {
		switch {
		case m[1] == "time.Duration":
			return "this is no duration, such as 30s or 2m"
		case strings.HasPrefix(m[1], "[]"):
			return "a list belongs here"
		case m[1] == "int" || m[1] == "bool" || m[1] == "string":
			return "a value of type " + m[1] + " belongs here"
		}
		return "a value of this shape does not belong here"
	}
	return message
}
