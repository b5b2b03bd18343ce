package step

import (
	"go.step.sm/crypto/kms/apiv1"

	"github.com/holdfast-kms/holdfast"
)

// failure is an error of package holdfast that is one of step's as well.
type failure struct {
	error
	as error
}

// Unwrap returns both.
func (f *failure) Unwrap() []error { return []error{f.error, f.as} }

// translate has an error be what step calls it, where it has a word for it.
func translate(err error) error {
	if err == nil {
		return nil
	}
	switch holdfast.KindOf(err) { //nolint:exhaustive // step has no words for the others
	case holdfast.NotFound:
		return &failure{err, apiv1.NotFoundError{Message: err.Error()}}
	case holdfast.AlreadyExists:
		return &failure{err, apiv1.AlreadyExistsError{Message: err.Error()}}
	case holdfast.Unsupported:
		return &failure{err, apiv1.NotImplementedError{Message: err.Error()}}
	}
	return err
}
