package native_test

import (
	"maps"
	"net/http"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// document is what the tests read of docs/openapi.yaml.
type document struct {
	Paths      map[string]map[string]yaml.Node `yaml:"paths"`
	Components struct {
		Parameters map[string]parameter `yaml:"parameters"`
		Schemas    map[string]schema    `yaml:"schemas"`
	} `yaml:"components"`
}

type method struct {
	OperationID string             `yaml:"operationId"`
	Summary     string             `yaml:"summary"`
	Action      string             `yaml:"x-action"`
	Parameters  []reference        `yaml:"parameters"`
	RequestBody body               `yaml:"requestBody"`
	Responses   map[string]content `yaml:"responses"`
}

type (
	reference struct {
		Ref string `yaml:"$ref"`
	}
	body struct {
		Content map[string]media `yaml:"content"`
	}
	content struct {
		Ref     string           `yaml:"$ref"`
		Content map[string]media `yaml:"content"`
	}
	media struct {
		Schema schema `yaml:"schema"`
	}
	parameter struct {
		Name string `yaml:"name"`
		In   string `yaml:"in"`
	}
	schema struct {
		Ref         string            `yaml:"$ref"`
		Description string            `yaml:"description"`
		Type        string            `yaml:"type"`
		Format      string            `yaml:"format"`
		Encoding    string            `yaml:"contentEncoding"`
		Items       *schema           `yaml:"items"`
		Additional  any               `yaml:"additionalProperties"`
		Required    []string          `yaml:"required"`
		AllOf       []schema          `yaml:"allOf"`
		Properties  map[string]schema `yaml:"properties"`
	}
)

func readDocument(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile("../../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// methods returns the document's operations by "METHOD path".
func (d document) methods(t *testing.T) map[string]method {
	t.Helper()
	all := map[string]method{}
	for p, item := range d.Paths {
		for verb, node := range item {
			if verb == "parameters" {
				continue
			}
			var m method
			if err := node.Decode(&m); err != nil {
				t.Fatalf("%s %s: %v", verb, p, err)
			}
			all[strings.ToUpper(verb)+" "+p] = m
		}
	}
	return all
}

// The OpenAPI file has the operations of the table and no other, with their
// actions, parameters, bodies and statuses.
func TestOpenAPIOperations(t *testing.T) {
	d := readDocument(t)
	have := d.methods(t)
	table := newHouse(t).front.Operations()
	if len(table) == 0 {
		t.Fatal("the table is empty")
	}
	for _, op := range table {
		name := op.Method + " " + op.Path
		m, ok := have[name]
		if !ok {
			t.Errorf("docs/openapi.yaml lacks %s", name)
			continue
		}
		delete(have, name)
		if m.OperationID != op.Name || m.Summary == "" {
			t.Errorf("%s: operationId %q with summary %q, want %q with some", name, m.OperationID, m.Summary, op.Name)
		}
		if want := actionName(op.Action); m.Action != want {
			t.Errorf("%s: x-action %q, want %q", name, m.Action, want)
		}
		if diff := cmp.Diff(op.Query, d.queryOf(m)); diff != "" {
			t.Errorf("%s: parameters (-table +file):\n%s", name, diff)
		}
		checkBody(t, name+" request", op.Request, m.RequestBody.Content[wire.TypeJSON].Schema)
		checkResponse(t, name, &op, m)
	}
	for name := range have {
		t.Errorf("docs/openapi.yaml has %s, which the table lacks", name)
	}
}

func actionName(a key.Action) string {
	if a == key.NoAction {
		return "none"
	}
	return a.String()
}

func (d document) queryOf(m method) []string {
	var names []string
	for _, p := range m.Parameters {
		names = append(names, d.Components.Parameters[path.Base(p.Ref)].Name)
	}
	return names
}

func checkBody(t *testing.T, name string, typ reflect.Type, s schema) {
	t.Helper()
	want := "#/components/schemas/" + typ.Name()
	if typ == reflect.TypeFor[wire.None]() {
		want = ""
	}
	if s.Ref != want {
		t.Errorf("%s: schema %q, want %q", name, s.Ref, want)
	}
}

func checkResponse(t *testing.T, name string, op *native.Operation, m method) {
	t.Helper()
	status := "200"
	switch {
	case op.Response == reflect.TypeFor[wire.None]():
		status = "204"
	case op.Status == http.StatusCreated:
		status = "201"
	}
	r, ok := m.Responses[status]
	if !ok || len(m.Responses) != 2 || m.Responses["default"].Ref != "#/components/responses/problem" {
		t.Errorf("%s: responses %v, want %s and the problem", name, slices.Sorted(maps.Keys(m.Responses)), status)
		return
	}
	if op.Media != wire.TypeJSON {
		if _, ok := r.Content[op.Media]; !ok {
			t.Errorf("%s: no response of the type %s", name, op.Media)
		}
		return
	}
	checkBody(t, name+" response", op.Response, r.Content[wire.TypeJSON].Schema)
}

// The OpenAPI file's schemas have the properties of the Go types and no
// other, and every schema is used.
func TestOpenAPISchemas(t *testing.T) {
	d := readDocument(t)
	types := map[string]reflect.Type{}
	for _, op := range newHouse(t).front.Operations() {
		gather(types, op.Request)
		gather(types, op.Response)
	}
	gather(types, reflect.TypeFor[wire.Problem]())
	for name, typ := range types {
		s, ok := d.Components.Schemas[name]
		if !ok {
			t.Errorf("docs/openapi.yaml lacks the schema %s", name)
			continue
		}
		members := wire.Members(typ)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(members)), slices.Sorted(maps.Keys(s.Properties))); diff != "" {
			t.Errorf("%s: properties (-Go +file):\n%s", name, diff)
		}
		for member, m := range members {
			if got, want := s.Properties[member].text(), typeText(m); got != want {
				t.Errorf("%s.%s is %s, want %s", name, member, got, want)
			}
		}
		if diff := cmp.Diff(alwaysThere(typ), s.Required); diff != "" {
			t.Errorf("%s: required (-Go +file):\n%s", name, diff)
		}
		if s.Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	for name := range d.Components.Schemas {
		if types[name] == nil {
			t.Errorf("docs/openapi.yaml has the schema %s, which nothing uses", name)
		}
	}
}

// gather adds a shape and those within it.
func gather(types map[string]reflect.Type, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[wire.None]() {
		return
	}
	types[t.Name()] = t
	for _, m := range wire.Members(t) {
		gather(types, m)
	}
}

// alwaysThere returns the members without omitempty or omitzero, in order.
func alwaysThere(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			names = append(names, alwaysThere(f.Type)...)
		case option == "":
			names = append(names, name)
		}
	}
	return names
}

// typeText says of what type a Go field is in JSON.
func typeText(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return typeText(t.Elem())
	case t == reflect.TypeFor[time.Time]():
		return "date-time"
	case t == reflect.TypeFor[[]byte]():
		return "base64"
	}
	switch t.Kind() { //nolint:exhaustive // the kinds that the shapes have
	case reflect.Slice:
		return "array of " + typeText(t.Elem())
	case reflect.Map:
		return "map of " + typeText(t.Elem())
	case reflect.Struct:
		return t.Name()
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Float64:
		return "number"
	}
	return "integer"
}

// text says the same of a schema.
func (s schema) text() string {
	additional, _ := s.Additional.(map[string]any)
	switch {
	case len(s.AllOf) == 1:
		return s.AllOf[0].text()
	case s.Ref != "":
		return path.Base(s.Ref)
	case s.Type == "array":
		return "array of " + s.Items.text()
	case additional != nil:
		return "map of " + additional["type"].(string)
	case s.Format == "date-time":
		return s.Format
	case s.Encoding != "":
		return s.Encoding
	}
	return s.Type
}
