package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// maxDepth bounds the nesting of a document. The deepest shape needs 4.
const maxDepth = 16

// Decode reads one JSON value into v, a pointer to one of the shapes. Unlike
// encoding/json it is strict: a member that the shape does not have, one that
// differs from it only in case, one that comes twice, and anything after the
// value are InvalidArgument errors that name the member.
func Decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := checkValue(d, reflect.TypeOf(v).Elem(), "", 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.InvalidArgument, "the body has something after the JSON value")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return decodeError(err)
	}
	return nil
}

// checkValue walks one value and reports the members that the type lacks.
func checkValue(d *json.Decoder, t reflect.Type, path string, depth int) error {
	if depth > maxDepth {
		return fault.New(fault.InvalidArgument, "the body is nested too deeply")
	}
	tok, err := d.Token()
	if err != nil {
		return decodeError(err)
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch tok {
	case json.Delim('{'):
		return checkObject(d, t, path, depth)
	case json.Delim('['):
		return checkArray(d, t, path, depth)
	}
	if depth == 0 {
		return fault.New(fault.InvalidArgument, "the body is not a JSON object")
	}
	return nil
}

// checkObject walks an object behind its brace.
func checkObject(d *json.Decoder, t reflect.Type, path string, depth int) error {
	known := Members(t)
	seen := map[string]bool{}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return decodeError(err)
		}
		name, _ := tok.(string) // the decoder gives nothing else as a member's name
		at := join(path, name)
		if seen[name] {
			return fault.New(fault.InvalidArgument, "the member %q comes twice", at)
		}
		seen[name] = true
		element, err := memberType(t, known, name, at)
		if err != nil {
			return err
		}
		if err := checkValue(d, element, at, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return decodeError(err)
}

// memberType returns the type of an object's member; nil where a later step
// reports that the object should not be one.
func memberType(t reflect.Type, known map[string]reflect.Type, name, at string) (reflect.Type, error) {
	if t != nil && t.Kind() == reflect.Map {
		return t.Elem(), nil
	}
	if element, ok := known[name]; ok || known == nil {
		return element, nil
	}
	return nil, fault.New(fault.InvalidArgument, "the member %q is not known%s", at, suggestion(known, name))
}

// suggestion names the member that was meant when only its case is wrong.
func suggestion(known map[string]reflect.Type, name string) string {
	for k := range known {
		if strings.EqualFold(k, name) {
			return fmt.Sprintf(": it is written %q", k)
		}
	}
	return ""
}

// checkArray walks an array behind its bracket.
func checkArray(d *json.Decoder, t reflect.Type, path string, depth int) error {
	if depth == 0 {
		return fault.New(fault.InvalidArgument, "the body is not a JSON object")
	}
	var element reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		element = t.Elem()
	}
	for d.More() {
		if err := checkValue(d, element, path, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return decodeError(err)
}

// Members returns the names of a shape's JSON members with their types. Types
// that write themselves (time.Time) have none.
func Members(t reflect.Type) map[string]reflect.Type {
	if t == nil || t.Kind() != reflect.Struct || selfMarshalled(t) {
		return nil
	}
	all := map[string]reflect.Type{}
	for f := range t.Fields() {
		if f.Anonymous {
			maps.Copy(all, Members(f.Type))
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all[name] = f.Type
	}
	return all
}

func selfMarshalled(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// decodeError puts the standard library's complaint into words for a caller:
// without Go's names, and without the value.
func decodeError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fault.New(fault.InvalidArgument, "the member %q is of the wrong type: %s", e.Field, word(e.Value))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fault.New(fault.InvalidArgument, "the body is not JSON: byte %d", e.Offset)
	}
	return fault.New(fault.InvalidArgument, "the body is not JSON of this request's shape")
}

// word returns the first word of the library's description of a value
// ("number 12" names the value too).
func word(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w
}
