package native

import (
	"context"
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Operation is a row of the table: which request it takes, its name in
// metrics and in the audit log, and the action to authorise.
type Operation struct {
	Method, Path string
	Name         string
	// Action is NoAction for what every authenticated caller may ask and
	// nobody records.
	Action key.Action
	// Query are the parameters that the request may have.
	Query []string
	// Status is the success's, 0 for 200, or 204 where nothing is answered.
	Status int
	Endpoint
}

// Get returns the operation that a GET of a path asks for.
func Get(path, name string, action key.Action, e Endpoint) Operation {
	return Operation{Method: http.MethodGet, Path: path, Name: name, Action: action, Endpoint: e}
}

// Post returns the operation that a POST to a path asks for.
func Post(path, name string, action key.Action, e Endpoint) Operation {
	return Operation{Method: http.MethodPost, Path: path, Name: name, Action: action, Endpoint: e}
}

// Put returns the operation that a PUT to a path asks for.
func Put(path, name string, action key.Action, e Endpoint) Operation {
	return Operation{Method: http.MethodPut, Path: path, Name: name, Action: action, Endpoint: e}
}

// Delete returns the operation that a DELETE of a path asks for.
func Delete(path, name string, action key.Action, e Endpoint) Operation {
	return Operation{Method: http.MethodDelete, Path: path, Name: name, Action: action, Endpoint: e}
}

// Takes returns the operation with parameters in its query.
func (o Operation) Takes(names ...string) Operation {
	o.Query = names
	return o
}

// Created returns the operation with the status 201 for a success.
func (o Operation) Created() Operation {
	o.Status = http.StatusCreated
	return o
}

// success returns the status of a success with a body.
func (o *Operation) success() int {
	if o.Status != 0 {
		return o.Status
	}
	return http.StatusOK
}

// Paged are the parameters of every listing, and more.
func Paged(more ...string) []string { return append([]string{"after", "limit"}, more...) }

// own are the operations of the protocol itself.
func (f *Front) own() []Operation {
	return []Operation{Get("/version", "GetVersion", key.NoAction, Handle(f.version))}
}

func (f *Front) version(context.Context, *Request, *wire.None) (*wire.ServerVersion, error) {
	return &f.config.Version, nil
}
