package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Limits of a document. The size is that of PutKeyPolicy's Policy in the AWS
// KMS model; the deepest legal document has seven levels.
const (
	MaxDocument = 128 << 10 // bytes
	maxDepth    = 8
)

type nodeKind uint8

const (
	objectNode nodeKind = iota + 1
	listNode
	textNode
	numberNode
	boolNode
	nullNode
)

var nodeNames = [...]string{
	objectNode: "an object", listNode: "an array", textNode: "a string", numberNode: "a number",
	boolNode: "a boolean", nullNode: "null",
}

// node is a JSON value that keeps what encoding/json's maps lose: the order
// of members, and the ones that are there twice.
type node struct {
	kind    nodeKind
	text    string // of strings, numbers and booleans
	members []member
	items   []*node
}

type member struct {
	name  string
	value *node
}

// malformed says what is wrong with a document, and where.
type malformed struct{ path, text string }

func (m *malformed) Error() string {
	if m.path == "" {
		return m.text
	}
	return m.path + ": " + m.text
}

func wrong(format string, args ...any) error {
	return &malformed{text: fmt.Sprintf(format, args...)}
}

// within puts an element's name before the place of an error.
func within(element string, err error) error {
	m, ok := errors.AsType[*malformed](err)
	if !ok {
		return &malformed{path: element, text: err.Error()}
	}
	separator := "."
	if m.path == "" || m.path[0] == '[' {
		separator = ""
	}
	return &malformed{path: element + separator + m.path, text: m.text}
}

// parse reads a document into nodes. Duplicate members, text after the
// document and text that is not UTF-8 are refused: other readers of the same
// document would see something else.
func parse(doc []byte) (*node, error) {
	if len(doc) > MaxDocument {
		return nil, wrong("the document has %d bytes, more than %d", len(doc), MaxDocument)
	}
	if !utf8.Valid(doc) {
		return nil, wrong("the document is not UTF-8")
	}
	if err := json.Unmarshal(doc, new(json.RawMessage)); err != nil {
		return nil, notJSON(err)
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	return parseNode(dec, 1)
}

// parseNode reads a value of what is known to be JSON.
func parseNode(dec *json.Decoder, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, wrong("is nested more than %d levels deep", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, notJSON(err)
	}
	switch t := token.(type) {
	case json.Delim:
		n := &node{kind: listNode}
		parseItems := parseList
		if t == '{' {
			n.kind, parseItems = objectNode, parseObject
		}
		if err := parseItems(dec, n, depth); err != nil {
			return nil, err
		}
		_, err := dec.Token() // the end of it
		return n, err
	case string:
		return &node{kind: textNode, text: t}, nil
	case json.Number:
		return &node{kind: numberNode, text: t.String()}, nil
	case bool:
		return &node{kind: boolNode, text: strconv.FormatBool(t)}, nil
	}
	return &node{kind: nullNode}, nil
}

func parseObject(dec *json.Decoder, n *node, depth int) error {
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return notJSON(err)
		}
		name, _ := token.(string) // JSON has no other names
		if seen[name] {
			return within(name, wrong("the member is there twice"))
		}
		seen[name] = true
		value, err := parseNode(dec, depth+1)
		if err != nil {
			return within(name, err)
		}
		n.members = append(n.members, member{name, value})
	}
	return nil
}

func parseList(dec *json.Decoder, n *node, depth int) error {
	for i := 0; dec.More(); i++ {
		value, err := parseNode(dec, depth+1)
		if err != nil {
			return within(index(i), err)
		}
		n.items = append(n.items, value)
	}
	return nil
}

// notJSON says what encoding/json found, and where.
func notJSON(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return wrong("the document is not JSON: %s at byte %d", syntax.Error(), syntax.Offset)
	}
	return wrong("the document is not JSON")
}

// index returns an array's element as part of a path.
func index(i int) string { return fmt.Sprintf("[%d]", i) }

// string returns the text of a string node.
func (n *node) string() (string, error) {
	if n.kind != textNode {
		return "", wrong("must be a string, not %s", nodeNames[n.kind])
	}
	return n.text, nil
}

// each calls do with each item of an array, or with the node itself when it is
// not one: AWS takes a single value wherever it takes a list.
func (n *node) each(do func(*node) error) error {
	if n.kind != listNode {
		return do(n)
	}
	if len(n.items) == 0 {
		return wrong("is empty")
	}
	for i, item := range n.items {
		if err := do(item); err != nil {
			return within(index(i), err)
		}
	}
	return nil
}
