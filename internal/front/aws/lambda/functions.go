package lambda

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// latest is the only version that a function has.
const latest = "$LATEST"

// maxFunctionName and namePattern are AWS's model's (NamespacedFunctionName).
const maxFunctionName = 256

var namePattern = aws.Regexp(`(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`)

// nameOf returns the function that the path names: by its name, by
// "account:function:name" or by its ARN, each with a version or without. One of
// another account, region or version does not exist.
func nameOf(x *aws.Exchange) (string, error) {
	text := x.REST.Path("FunctionName")
	if len(text) > maxFunctionName || !namePattern.Matches(text) {
		return "", aws.Validation("1 validation error detected: Value '" + text[:min(len(text), maxFunctionName)] +
			"' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + namePattern.Text)
	}
	realm, region := string(x.Call.Caller.Principal.Realm), x.Call.Region
	name := text
	for _, prefix := range []string{"arn:" + wire.Partition + ":lambda:" + region + ":" + realm + ":function:", realm + ":function:", "function:"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			name = rest
			break
		}
	}
	name, version, _ := strings.Cut(name, ":")
	qualifier := x.REST.Query.Get("Qualifier")
	if version == "" {
		version = qualifier
	}
	if version != "" && version != latest || qualifier != "" && qualifier != version {
		return "", notFound(x, strings.TrimSuffix(name+":"+version, ":"))
	}
	return name, nil
}

func notFound(x *aws.Exchange, name string) error {
	r := key.Resource{Kind: key.KindFunction, Realm: x.Call.Caller.Principal.Realm, Region: x.Call.Region, ID: name}
	return &fault.Error{Kind: fault.NotFound, Resource: r.String(), Public: "there is no function " + name}
}

// onlyQuery refuses parameters of the query that an operation does not have,
// by name.
func onlyQuery(x *aws.Exchange, known ...string) error {
	for name := range x.REST.Query {
		if !slices.Contains(known, name) {
			return wire.Unsupported("Holdfast does not support the parameter " + name + ".")
		}
	}
	return nil
}

// describe returns the function that a request is about.
func (f *front) describe(ctx context.Context, x *aws.Exchange) (*function.Function, error) {
	if err := onlyQuery(x, "Qualifier"); err != nil {
		return nil, err
	}
	name, err := nameOf(x)
	if err != nil {
		return nil, err
	}
	return f.functions.Describe(ctx, &x.Call, name)
}

func (f *front) getFunction(ctx context.Context, x *aws.Exchange) error {
	fn, err := f.describe(ctx, x)
	if err != nil {
		return err
	}
	x.Out.Object("Configuration", func() { writeConfiguration(x, fn) })
	x.Out.Object("Tags", func() {})
	return nil
}

func (f *front) getFunctionConfiguration(ctx context.Context, x *aws.Exchange) error {
	fn, err := f.describe(ctx, x)
	if err != nil {
		return err
	}
	writeConfiguration(x, fn)
	return nil
}

// timeout is what is said to be the longest that a function runs, in seconds:
// a request's own bound.
const timeout = 30

// writeConfiguration adds the members of a FunctionConfiguration that a
// function without code has.
func writeConfiguration(x *aws.Exchange, fn *function.Function) {
	r := key.Resource{Kind: key.KindFunction, Realm: x.Call.Caller.Principal.Realm, Region: x.Call.Region, ID: string(fn.Name)}
	x.Out.Text("FunctionName", string(fn.Name))
	x.Out.Text("FunctionArn", wire.ResourceARN(r))
	x.Out.Text("Description", fn.Description)
	x.Out.Int("CodeSize", 0)
	x.Out.Int("Timeout", timeout)
	x.Out.Text("LastModified", fn.Since.UTC().Format("2006-01-02T15:04:05.000-0700"))
	x.Out.Text("Version", latest)
	x.Out.Text("State", "Active")
	x.Out.Text("LastUpdateStatus", "Successful")
}

// Bounds of ListFunctions in AWS's model, and its usual page.
const (
	maxItems  = 10000
	usualPage = 50
)

func (f *front) listFunctions(ctx context.Context, x *aws.Exchange) error {
	if err := onlyQuery(x, "FunctionVersion", "Marker", "MaxItems"); err != nil {
		return err
	}
	if v := x.REST.Query.Get("FunctionVersion"); v != "" && v != "ALL" {
		return aws.Validation("1 validation error detected: Value '" + v + "' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]")
	}
	ask := aws.PageRequest{Marker: x.REST.Query.Get("Marker")}
	if text := x.REST.Query.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxItems {
			return aws.Validation("Value '" + text + "' at 'maxItems' must be a number from 1 to " + strconv.Itoa(maxItems))
		}
		ask.Limit = n
	}
	page, err := x.Page(ask, usualPage, "the Marker is not of this listing")
	if err != nil {
		return err
	}
	list, err := f.functions.List(ctx, &x.Call)
	if err != nil {
		return err
	}
	next := ""
	x.Out.Array("Functions", func() {
		shown := 0
		for _, fn := range list {
			switch {
			case string(fn.Name) <= page.After:
			case shown == page.Limit:
				return
			default:
				x.Out.Object("", func() { writeConfiguration(x, &fn) })
				if shown++; shown == page.Limit && fn.Name != list[len(list)-1].Name {
					next = string(fn.Name)
				}
			}
		}
	})
	if next != "" {
		x.Out.Text("NextMarker", x.NextMarker(next))
	}
	return nil
}
