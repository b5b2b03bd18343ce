package lambda

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Functions is what this front end asks of the functions; *function.Service is
// it, and its documentation holds.
type Functions interface {
	Invoke(ctx context.Context, call *key.Call, name string, event function.Event) (*function.Result, error)
	Describe(ctx context.Context, call *key.Call, name string) (*function.Function, error)
	List(ctx context.Context, call *key.Call) ([]function.Function, error)
}

// front is the API over functions.
type front struct{ functions Functions }

// New returns the API of AWS Lambda over functions.
func New(functions Functions) aws.Service {
	f := &front{functions}
	return aws.Service{
		API: "aws.lambda", Scope: "lambda", REST: routes, Operations: f.table(), Known: unserved(), Explain: explain,
	}
}

// maxPayload bounds what a function is given, in bytes ("Lambda quotas", AWS
// Lambda Developer Guide).
const maxPayload = 6 << 20

// table is the API: name, action, and the handler.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		{Name: "GetFunction", Action: key.GetFunction, Serve: f.getFunction},
		{Name: "GetFunctionConfiguration", Action: key.GetFunction, Serve: f.getFunctionConfiguration},
		{Name: "Invoke", Action: key.InvokeFunction, Serve: f.invoke, MaxBody: maxPayload},
		{Name: "ListFunctions", Action: key.ListFunctions, Serve: f.listFunctions},
	}
}

// unserved are AWS Lambda's other operations.
func unserved() []string {
	var list []string
	for _, route := range routes {
		if !slices.ContainsFunc(new(front).table(), func(o aws.Operation) bool { return o.Name == route.Operation }) {
			list = append(list, route.Operation)
		}
	}
	return list
}

// Operations returns all operations of AWS Lambda in the order of their names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved()) }
