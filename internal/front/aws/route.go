package aws

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// Operation is a row of a service's table.
type Operation struct {
	Name   string
	Action key.Action
	// MaxBody bounds the operation's body in bytes; 0 is the usual bound.
	MaxBody int
	// Open operations of a Query API are served to requests that nobody signed,
	// too: as an anonymous caller's, in no region. A GET of one needs no Version,
	// so that it can be a link.
	Open bool
	// Serve decodes the request, calls the door and writes the answer into
	// the exchange.
	Serve func(ctx context.Context, x *Exchange) error
}

// UpTo returns the operation with another bound of its body.
func (o Operation) UpTo(bytes int) Operation {
	o.MaxBody = bytes
	return o
}

// Unsigned returns the operation as an Open one.
func (o Operation) Unsigned() Operation {
	o.Open = true
	return o
}

// Service is one AWS API.
type Service struct {
	// API is what audit entries and metrics call it, such as "aws.kms".
	API string
	// Scope is the service's name in credential scopes, such as "kms".
	Scope string
	// Target is what X-Amz-Target begins with, "" for a Query API. AlsoTarget is
	// what it begins with in the requests of other clients, "" for nothing else.
	Target, AlsoTarget string
	// JSON10 says that the service's JSON is of version 1.0, not 1.1, and CBOR
	// that it is also served by Smithy's RPC v2, under the name in Target.
	JSON10, CBOR bool
	// Version is the date that a Query API's requests carry, and Namespace
	// the XML name space of its answers.
	Version, Namespace string
	// QueryCodes are the codes of errors in Query, by those in the service's
	// other protocols, where they differ.
	QueryCodes map[string]string
	// REST are the routes of a REST API, of all its operations, served or not.
	REST []Route
	// Operations are what is implemented; Known are the names of the other
	// operations that AWS has.
	Operations []Operation
	Known      []string
	// Explain puts a fault into the service's words.
	Explain func(x *Exchange, err error) Failure
}

// Refuser records calls that failed before they reached an operation. It
// leaves those alone that are recorded already.
type Refuser interface {
	Refuse(ctx context.Context, call *key.Call, action key.Action, err error) error
}

// Config is what a Handler stands on. Every field is required unless it says
// otherwise.
type Config struct {
	Services  []Service
	Directory Directory
	Door      Refuser
	// Observe is told of every answer; code is "ok" or the error's code. It
	// may be nil.
	Observe func(ctx context.Context, api, operation, code string, elapsed time.Duration)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Handler serves AWS APIs over HTTP.
type Handler struct {
	services []service
	auth     authenticator
	door     Refuser
	observe  func(ctx context.Context, api, operation, code string, elapsed time.Duration)
	now      func() time.Time
	maxForm  int // the largest body of a Query API
}

// service is a Service with its operations by name.
type service struct {
	Service
	byName map[string]*Operation
	known  map[string]bool
}

// unrouted is what a request is that names no service.
var unrouted = service{Service: Service{API: "aws", Explain: ExplainShared}}

// New returns the handler of some services.
func New(c Config) *Handler {
	h := &Handler{
		auth: authenticator{directory: c.Directory}, door: c.Door, observe: c.Observe, now: c.Now,
		maxForm: MaxBody,
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.observe == nil {
		h.observe = func(context.Context, string, string, string, time.Duration) {}
	}
	for _, s := range c.Services {
		indexed := service{Service: s, byName: map[string]*Operation{}, known: map[string]bool{}}
		for i := range s.Operations {
			indexed.byName[s.Operations[i].Name] = &s.Operations[i]
			if s.Version != "" {
				h.maxForm = max(h.maxForm, s.Operations[i].MaxBody)
			}
		}
		for _, name := range s.Known {
			indexed.known[name] = true
		}
		h.services = append(h.services, indexed)
	}
	return h
}

// route finds the service that a request is for, and the name of the
// operation. The body has been read: Query requests name both in it.
func (h *Handler) route(r *http.Request, x *Exchange) {
	x.service = &unrouted
	switch {
	case x.REST != nil:
		h.find(x, x.REST.named, func(s *service) bool { return s == x.REST.service })
		return
	case r.Header.Get(headerSmithy) == rpcV2CBOR:
		h.routeCBOR(r, x)
		return
	}
	if targets := r.Header[sigv4.HeaderTarget]; len(targets) == 1 {
		dot := strings.LastIndexByte(targets[0], '.')
		if dot < 0 || r.Method != http.MethodPost {
			return
		}
		h.find(x, targets[0][dot+1:], func(s *service) bool { return s.targeted(targets[0][:dot]) })
		return
	}
	query := r.URL.RawQuery
	if r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), formType) {
		query, x.protocol = string(x.Body), overQuery
	}
	form, err := url.ParseQuery(query)
	if err != nil {
		return
	}
	x.Form = form
	version := form.Get("Version")
	link := r.Method == http.MethodGet && version == "" && unsigned(r)
	found := h.find(x, form.Get("Action"), func(s *service) bool {
		if link {
			o := s.byName[form.Get("Action")]
			return o != nil && o.Open
		}
		return s.Version != "" && s.Version == version
	})
	if found {
		x.protocol = overQuery
	}
}

// targeted reports whether the service has this beginning of X-Amz-Target.
func (s *service) targeted(target string) bool {
	return target != "" && (target == s.Target || target == s.AlsoTarget)
}

// maxBody returns how long the request's body may be, before it is read.
func (h *Handler) maxBody(r *http.Request, x *Exchange) int {
	if x.REST != nil {
		if o := x.REST.service.byName[x.REST.named]; o != nil && o.MaxBody > 0 {
			return o.MaxBody
		}
		return MaxBody
	}
	targets := r.Header[sigv4.HeaderTarget]
	if len(targets) != 1 {
		return h.maxForm // the operation is in the body: bounded once that is read
	}
	dot := strings.LastIndexByte(targets[0], '.')
	if dot < 0 {
		return MaxBody
	}
	for i := range h.services {
		if !h.services[i].targeted(targets[0][:dot]) {
			continue
		}
		if o := h.services[i].byName[targets[0][dot+1:]]; o != nil && o.MaxBody > 0 {
			return o.MaxBody
		}
	}
	return MaxBody
}

// find gives the exchange the service that is meant, and reports whether there
// is one.
func (h *Handler) find(x *Exchange, operation string, is func(*service) bool) bool {
	for i := range h.services {
		if is(&h.services[i]) {
			x.service = &h.services[i]
			x.operation = x.service.byName[operation]
			x.named = operation
			return true
		}
	}
	return false
}

// unknown returns the failure of a request for something that is not served:
// known to AWS and not here, or not known at all.
func (x *Exchange) unknown() error {
	if x.service.known[x.named] {
		return wire.Unsupported("The operation " + x.named + " is not supported by Holdfast.")
	}
	code := "UnknownOperationException"
	if x.protocol == overQuery {
		code = "InvalidAction"
	}
	return &fault.Error{
		Kind: fault.Unsupported, Public: "The requested operation is not recognized by the service.",
		Err: &wire.Exception{Code: code, Message: "The requested operation is not recognized by the service."},
	}
}

// label is what metrics and the audit log call the operation. A name that no
// table has is not repeated: it is whatever a stranger sent.
func (x *Exchange) label() string {
	switch {
	case x.operation != nil:
		return x.operation.Name
	case x.service.known[x.named]:
		return x.named
	default:
		return "unknown"
	}
}

func (x *Exchange) action() key.Action {
	if x.operation == nil {
		return key.NoAction
	}
	return x.operation.Action
}

// Coverage is one operation of AWS's and whether it is served.
type Coverage struct {
	Name   string
	Served bool
}

// Cover returns the operations of a service, in the order of their names.
func Cover(served []Operation, unserved []string) []Coverage {
	list := make([]Coverage, 0, len(served)+len(unserved))
	for _, o := range served {
		list = append(list, Coverage{o.Name, true})
	}
	for _, name := range unserved {
		list = append(list, Coverage{name, false})
	}
	slices.SortFunc(list, func(a, b Coverage) int { return strings.Compare(a.Name, b.Name) })
	return list
}
