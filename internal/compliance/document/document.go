// Package document reads exceptions from compliance's rules as people write
// them: YAML of version 1, strict. docs/compliance.md describes each member.
//
// Start with Parse. The package is internal; what version 1 of the documents
// means stays as it is within v1.
package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Version is the version of the documents.
const Version = 1

// MaxSize is the longest document in bytes, MaxExceptions how many exceptions
// it has at most.
const (
	MaxSize       = 1 << 20
	MaxExceptions = 5000
)

type document struct {
	Version    int         `yaml:"version"`
	Exceptions []exception `yaml:"exceptions"`
}

type exception struct {
	Rule     string `yaml:"rule"`
	Resource string `yaml:"resource"`
	Owner    string `yaml:"owner"`
	Reason   string `yaml:"reason"`
	Until    string `yaml:"until"`
	line     int
}

// UnmarshalYAML notes the line. It refuses unknown members itself: a decoder
// that calls it does not.
func (x *exception) UnmarshalYAML(n *yaml.Node) error {
	members := map[string]*string{"rule": &x.Rule, "resource": &x.Resource, "owner": &x.Owner, "reason": &x.Reason, "until": &x.Until}
	if n.Kind != yaml.MappingNode {
		return unfit("line %d: an exception has rule, resource, owner, reason and until", n.Line)
	}
	x.line = n.Line
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		to, ok := members[name.Value]
		switch {
		case !ok:
			return unfit("line %d: an exception has no member %q; it has rule, resource, owner, reason and until", name.Line, name.Value)
		case seen[name.Value]:
			return unfit("line %d: %q is there twice", name.Line, name.Value)
		case value.Kind != yaml.ScalarNode || value.Tag == "!!null":
			return unfit("line %d: %q must be a text", value.Line, name.Value)
		}
		seen[name.Value] = true
		*to = value.Value
	}
	return nil
}

// unfit returns the error for a document that has no exceptions.
func unfit(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, format, args...)
}

// Parse reads a document. What is wrong with it is InvalidArgument, and named
// with its line.
func Parse(text []byte) ([]compliance.Exception, error) {
	if len(text) > MaxSize {
		return nil, unfit("a list of exceptions has at most %d bytes", MaxSize)
	}
	var d document
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return nil, f
		}
		if errors.Is(err, io.EOF) {
			return nil, unfit("the list of exceptions is empty")
		}
		return nil, unfit("the list of exceptions cannot be read: %s", yamlText(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, unfit("a list of exceptions is one document")
	}
	switch {
	case d.Version != Version:
		return nil, unfit("the list of exceptions is of version %d; this program knows version %d", d.Version, Version)
	case len(d.Exceptions) > MaxExceptions:
		return nil, unfit("there are at most %d exceptions", MaxExceptions)
	}
	list := make([]compliance.Exception, len(d.Exceptions))
	for i, x := range d.Exceptions {
		list[i] = compliance.Exception{Rule: x.Rule, Resource: x.Resource, Owner: x.Owner, Reason: x.Reason, Until: x.Until}
		if err := list[i].Check(); err != nil {
			return nil, &fault.Error{Kind: fault.InvalidArgument, Public: fmt.Sprintf("line %d: %s", x.line, sentence(err)), Err: err}
		}
	}
	return list, nil
}

// sentence returns what a caller is told of an error.
func sentence(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Public
	}
	return err.Error()
}

// yamlText puts the decoder's errors into the words of documents.
func yamlText(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if e, ok := errors.AsType[*yaml.TypeError](err); ok && len(e.Errors) > 0 {
		text = e.Errors[0]
		text, _, _ = strings.Cut(text, " in type ")
	}
	return text
}
