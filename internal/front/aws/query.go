package aws

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Params are the parameters of a Query request at one place: of the request
// itself, or of a structure in it, such as all that begin with
// "Dimensions.member.1.". Reading never fails: what is wrong is remembered,
// and Query refuses the request for it. A parameter that nothing reads is one
// that Holdfast does not support, and is refused by its name.
//
// How many parameters there are is bounded by package net/url (10,000), and
// their size by the body's.
type Params struct {
	query *query
	at    *param
	path  string // "Dimensions.member.1."
}

// query is what the Params of one request share.
type query struct {
	root       param
	malformed  string // the first complaint about the form of a parameter
	violations violations
}

// param is a parameter or what the names of several begin with.
type param struct {
	value       string
	given, read bool
	under       map[string]*param // by the next part of their names
}

// Pair is an entry of a map.
type Pair struct{ Key, Value string }

// Entry is an entry of a map of structures.
type Entry struct {
	Key   string
	Value *Params
}

// CodeParameter is the code for a parameter that Holdfast does not know, in
// the words of EC2, the only one of AWS's Query APIs that looks.
const CodeParameter = "UnknownParameter"

// maxParts bounds the parts of a parameter's name, of which AWS's longest has
// nine.
const maxParts = 16

// Query returns an operation of a Query API. Decode reads the parameters;
// serve runs only if nothing was wrong with them and none was left over.
func Query[T any](
	name string, action key.Action, decode func(p *Params) T, serve func(context.Context, *Exchange, T) error,
) Operation {
	return Operation{Name: name, Action: action, Serve: func(ctx context.Context, x *Exchange) error {
		p := NewParams(x.Form)
		in := decode(p)
		if err := p.Err(); err != nil {
			return err
		}
		return serve(ctx, x, in)
	}}
}

// NoParams decodes the request of a Query operation that has no parameters.
func NoParams(*Params) struct{} { return struct{}{} }

// NewParams returns the parameters of a form. Those that every request has are
// read.
func NewParams(form url.Values) *Params {
	q := new(query)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		q.add(name, form[name])
	}
	p := &Params{query: q, at: &q.root}
	p.Text("Action")
	p.Text("Version")
	return p
}

// add puts a parameter into the tree of all.
func (q *query) add(name string, values []string) {
	parts := strings.Split(name, ".")
	if len(parts) > maxParts || len(values) != 1 || !utf8.ValidString(name+values[0]) {
		q.complain("The parameter " + quoteName(name) + " must be there once, be UTF-8, and have a name of at most " +
			strconv.Itoa(maxParts) + " parts.")
		return
	}
	at := &q.root
	for _, part := range parts {
		if at.under == nil {
			at.under = map[string]*param{}
		}
		if at.under[part] == nil {
			at.under[part] = new(param)
		}
		at = at.under[part]
	}
	at.value, at.given = values[0], true
}

// quoteName returns what an error repeats of a parameter's name.
func quoteName(name string) string {
	return strings.TrimSuffix(quote(strings.ToValidUTF8(name, "?")), " ")
}

func (q *query) complain(text string) {
	if q.malformed == "" {
		q.malformed = text
	}
}

// Err returns what is wrong with the parameters that were read, or that there
// are more. Query calls it; it is for those who have no Query.
func (p *Params) Err() error {
	q := p.query
	if q.malformed != "" {
		return wire.Invalid("MalformedInput", q.malformed)
	}
	if err := q.violations.err("ValidationError"); err != nil {
		return err
	}
	if name := q.root.unread(""); name != "" {
		text := "Holdfast does not support the parameter " + quoteName(strings.TrimSuffix(name, ".")) + "."
		return &fault.Error{Kind: fault.Unsupported, Public: text, Err: &wire.Exception{Code: CodeParameter, Message: text}}
	}
	return nil
}

// unread returns the first of the parameters that were not read, "" for none.
func (n *param) unread(name string) string {
	if n.given && !n.read {
		return name
	}
	for _, part := range slices.Sorted(maps.Keys(n.under)) {
		if found := n.under[part].unread(name + part + "."); found != "" {
			return found
		}
	}
	return ""
}
