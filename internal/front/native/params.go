package native

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Entries of a page when the request does not say, and at most.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// checkQuery refuses parameters that an operation does not have, by name.
func checkQuery(r *http.Request, known []string) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.InvalidArgument, "the query cannot be read")
	}
	for name := range values {
		if !slices.Contains(known, name) {
			return fault.New(fault.InvalidArgument, "the parameter %q is not known", name)
		}
		if len(values[name]) > 1 && r.Method != http.MethodDelete {
			return fault.New(fault.InvalidArgument, "the parameter %q comes twice", name)
		}
	}
	return nil
}

// Param returns a parameter of the query, "" when it is absent.
func (r *Request) Param(name string) string { return r.HTTP.URL.Query().Get(name) }

// Number returns a parameter that is a whole number from 0 to most, or
// otherwise when it is absent.
func (r *Request) Number(name string, otherwise, most int) (int, error) {
	text := r.Param(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fault.New(fault.InvalidArgument, "the parameter %q must be a number from 0 to %d", name, most)
	}
	return n, nil
}

// Moment returns a parameter that is a time (RFC 3339), zero when it is absent.
func (r *Request) Moment(name string) (time.Time, error) {
	text := r.Param(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault.New(fault.InvalidArgument, "the parameter %q must be a time as in RFC 3339", name)
	}
	return t, nil
}

// Page reads the parameters of a listing.
func (r *Request) Page() (kms.Page, error) {
	limit, err := r.Number("limit", DefaultLimit, MaxLimit)
	if limit == 0 {
		limit = DefaultLimit
	}
	return kms.Page{After: r.Param("after"), Limit: limit}, err
}

// RefOf reads a key's name: an id, an alias with its prefix, an ARN of
// either, or the canonical "realm/region/id". What is none of them the door
// refuses as a malformed id.
func RefOf(name string) kms.Ref {
	if strings.HasPrefix(name, "alias/") {
		return kms.Ref{Alias: name}
	}
	if n, ok := key.ParseName(name); ok {
		return kms.Ref{Realm: n.Realm, Region: n.Region, ID: n.ID}
	}
	res, ok := aws.ParseResource(name)
	switch {
	case ok && res.Kind == key.KindKey:
		return kms.Ref{Realm: res.Realm, Region: res.Region, ID: key.ID(res.ID)}
	case ok && res.Kind == key.KindAlias:
		return kms.Ref{Realm: res.Realm, Region: res.Region, Alias: res.ID}
	}
	return kms.Ref{ID: key.ID(name)}
}

// Required refuses an empty member.
func Required(member, value string) error {
	if value == "" {
		return fault.New(fault.InvalidArgument, "the member %q is missing", member)
	}
	return nil
}

// SpecOf reads a spec in AWS's spelling or in the field's.
func SpecOf(name string) (alg.Spec, error) {
	if s, ok := aws.ParseSpec(name); ok {
		return s, nil
	}
	if s := alg.ParseSpec(name); s != alg.NoSpec {
		return s, nil
	}
	return alg.NoSpec, fault.New(fault.InvalidArgument, "the key spec %q is not known", name)
}

// UsageOf reads a usage; none for "".
func UsageOf(name string) (alg.Usage, error) {
	if u, ok := aws.ParseUsage(name); ok {
		return u, nil
	}
	if u := alg.ParseUsage(name); u != alg.NoUsage || name == "" {
		return u, nil
	}
	return alg.NoUsage, fault.New(fault.InvalidArgument, "the usage %q is not known", name)
}

// AlgorithmOf reads an algorithm; otherwise for "".
func AlgorithmOf(name string, otherwise alg.Algorithm) (alg.Algorithm, error) {
	if name == "" {
		if otherwise == alg.NoAlgorithm {
			return otherwise, Required("algorithm", name)
		}
		return otherwise, nil
	}
	if a, ok := aws.ParseAlgorithm(name); ok {
		return a, nil
	}
	if a := alg.ParseAlgorithm(name); a != alg.NoAlgorithm {
		return a, nil
	}
	return alg.NoAlgorithm, fault.New(fault.InvalidArgument, "the algorithm %q is not known", name)
}

// DocumentOf reads a policy.
func DocumentOf(p wire.Policy) (key.Document, error) {
	if p.Dialect == "" {
		p.Dialect = "aws"
	}
	if p.Dialect != "aws" {
		return key.Document{}, fault.New(fault.InvalidArgument, "the policy dialect %q is not known: it is aws", p.Dialect)
	}
	return key.Document{Dialect: p.Dialect, Text: p.Document}, Required("document", p.Document)
}

// NamedPolicies puts the policies of an identity into the API's shape, sorted.
func NamedPolicies(docs map[string]key.Document) []wire.NamedPolicy {
	list := []wire.NamedPolicy{}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		list = append(list, wire.NamedPolicy{Name: name, Policy: PolicyOf(docs[name])})
	}
	return list
}

// PolicyOf is the way back.
func PolicyOf(d key.Document) wire.Policy { return wire.Policy{Dialect: d.Dialect, Document: d.Text} }
