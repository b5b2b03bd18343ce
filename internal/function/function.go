// Package function has the functions that Holdfast brings: jobs of several
// steps that people have run as small programs beside their key service. A
// function runs as its caller: each step is authorised and recorded as if the
// caller had asked for it, so that being allowed to invoke a function allows
// nothing else.
//
// Start with Service.Invoke. issue.go and sign.go have a function each.
//
// The package is internal and may change with any release.
package function

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/secret"
)

// Name is a function's.
type Name string

// The functions.
const (
	IssueCertificate  Name = "issue-certificate"
	SignCACertificate Name = "sign-ca-certificate"
)

// Function is what is known of a function.
type Function struct {
	Name        Name
	Description string
	// Since is when the function came to be what it is.
	Since time.Time
}

// All returns the functions in the order of their names.
func All() []Function {
	since := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	return []Function{
		{IssueCertificate, "Issues a certificate for a new key and keeps both as the secret certificates/NAME", since},
		{SignCACertificate, "Signs the certificate of an authority with a key, as its request asks", since},
	}
}

// Keys is what the functions need of the door. *kms.Service is it.
type Keys interface {
	PublicKey(ctx context.Context, call *key.Call, ref kms.Ref) (*kms.PublicKeyResult, error)
	Sign(ctx context.Context, call *key.Call, req *kms.SignRequest) (*kms.SignResult, error)
}

// Authorities is what they need of the authorities. *ca.Service is it.
type Authorities interface {
	Issue(ctx context.Context, call *key.Call, req *ca.IssueRequest) (*ca.Issued, error)
	ByID(id string) (*ca.Authority, bool)
	All() []*ca.Authority
}

// Secrets is what they need of the secrets. *secret.Service is it.
type Secrets interface {
	Create(ctx context.Context, call *key.Call, req *secret.CreateRequest) (*secret.Result, error)
	Update(ctx context.Context, call *key.Call, req *secret.UpdateRequest) (*secret.Result, error)
}

// Config says what a Service works with. All fields but Now are needed.
type Config struct {
	Keys        Keys
	Authorities Authorities
	Secrets     Secrets
	Guard       *guard.Guard
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service has the functions. All methods may be called at the same time.
// Errors are *fault.Error, but for those that a Failure holds.
type Service struct {
	Config

	linter func() *lint.Linter
}

// New returns a Service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{Config: c, linter: sync.OnceValue(lint.New)}
}

// Event is what a function is invoked with, as an API has it. A function calls
// the method that is its own.
type Event interface {
	Issue() (*IssueRequest, error)
	Sign() (*SignRequest, error)
}

// Result is what a function returns: the field that is its own.
type Result struct {
	Issued *Issued
	Signed *Signed
}

// Failure is the failure of a function that was invoked, as against one to
// invoke it.
type Failure struct{ Err error }

// Error returns the failure's text for the log.
func (f *Failure) Error() string { return "the function failed: " + f.Err.Error() }

// Unwrap returns the failure itself.
func (f *Failure) Unwrap() error { return f.Err }

// Invoke runs a function in the caller's name, who needs InvokeFunction on it
// and whatever its steps need. A dry run ends before the first step.
func (s *Service) Invoke(ctx context.Context, call *key.Call, name string, event Event) (*Result, error) {
	return guard.Do(ctx, s.Guard, call, key.InvokeFunction, func(v *guard.Visit) (*Result, error) {
		f, err := visit(v, key.InvokeFunction, name)
		if err != nil {
			return nil, err
		}
		if call.DryRun {
			return nil, fault.Because(fault.InvalidArgument, fault.DryRun, "the function would have been invoked, had it not been a dry run")
		}
		r, err := s.run(ctx, call, f.Name, event)
		if err != nil {
			return nil, failed(err)
		}
		return r, nil
	})
}

func (s *Service) run(ctx context.Context, call *key.Call, name Name, event Event) (*Result, error) {
	switch name {
	case IssueCertificate:
		req, err := event.Issue()
		if err != nil {
			return nil, err
		}
		issued, err := s.issue(ctx, call, req)
		return &Result{Issued: issued}, err
	case SignCACertificate:
		req, err := event.Sign()
		if err != nil {
			return nil, err
		}
		signed, err := s.sign(ctx, call, req)
		return &Result{Signed: signed}, err
	}
	return nil, &fault.Error{Kind: fault.Internal, Op: "running function " + string(name)}
}

// failed marks a failure as the function's, unless it is a bug of ours.
func failed(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok && fault.KindOf(err) != fault.Internal {
		return &Failure{err}
	}
	return err
}

// visit authorises an action on a function. Of one that is not there only
// those learn who could do the action if it was.
func visit(v *guard.Visit, action key.Action, name string) (*Function, error) {
	r := key.Resource{Kind: key.KindFunction, Realm: v.Call.Caller.Principal.Realm, Region: v.Call.Region, ID: name}
	if err := v.Authorize(guard.Target{Action: action, Resource: r}); err != nil {
		return nil, err
	}
	for _, f := range All() {
		if string(f.Name) == name {
			return &f, nil
		}
	}
	return nil, &fault.Error{Kind: fault.NotFound, Resource: r.String(), Public: "there is no function " + name}
}

// Describe returns a function. The caller needs GetFunction on it.
func (s *Service) Describe(ctx context.Context, call *key.Call, name string) (*Function, error) {
	return guard.Do(ctx, s.Guard, call, key.GetFunction, func(v *guard.Visit) (*Function, error) {
		return visit(v, key.GetFunction, name)
	})
}

// List returns the functions. The caller needs ListFunctions.
func (s *Service) List(ctx context.Context, call *key.Call) ([]Function, error) {
	return guard.Do(ctx, s.Guard, call, key.ListFunctions, func(v *guard.Visit) ([]Function, error) {
		r := key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}
		return All(), v.Authorize(guard.Target{Action: key.ListFunctions, Resource: r})
	})
}

// parse reads a certificate that an authority here issued.
func parse(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "reading an issued certificate", Err: err}
	}
	return c, nil
}

// chainOf returns the certificates above one that an authority issued, the
// nearest first, the root's included; none above one that signed itself.
func (s *Service) chainOf(issued *ca.Issued) [][]byte {
	a, ok := s.Authorities.ByID(issued.Authority)
	if !ok || issued.Profile == rootProfile {
		return nil
	}
	return append([][]byte{a.Certificate}, a.Chain...)
}
