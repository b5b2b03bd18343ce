// Package awstest is what the tests of AWS's APIs share: a fake door's notes,
// a directory with one access key, a client that signs, and the properties
// that every API has. An API's tests make its own door around Door and run
// TestWirePairs, TestOperations, TestKinds, TestReasons, TestSecretCause,
// TestBadInput and FuzzHandler with tables of their own.
package awstest

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// Fake returns an API over a new fake door, and what that door notes.
type Fake func(t testing.TB) (aws.Service, *Door)

// Door is the part of a fake door that does not depend on the API. The door
// of an API embeds it and calls Note, or NoteJSON, in every method.
type Door struct {
	// Err is what every call fails with.
	Err error
	// Next is where every listing goes on.
	Next string
	// Log are the calls, and Refused the requests that never became one.
	Log, Refused []string
}

// Note writes down a call of the door and returns what it fails with.
func (d *Door) Note(line string) error {
	d.Log = append(d.Log, line)
	return d.Err
}

// NoteJSON is Note for arguments that are texts or shown as JSON. The call
// counts as recorded, as a real door would have it.
func (d *Door) NoteJSON(c *key.Call, name string, args ...any) error {
	var line strings.Builder
	line.WriteString(c.Operation + " " + name)
	for _, a := range args {
		text, ok := a.(string)
		if !ok {
			raw, err := json.Marshal(a)
			if err != nil {
				panic(err) // the test's own value
			}
			text = string(raw)
		}
		line.WriteString(" " + text)
	}
	c.Recorded = true
	return d.Note(line.String())
}

// Refuse implements aws.Refuser.
func (d *Door) Refuse(_ context.Context, c *key.Call, action key.Action, err error) error {
	if !c.Recorded {
		d.Refused = append(d.Refused, fmt.Sprintf("%s %s %s: %v", c.API, c.Operation, action, err))
	}
	return err
}

// The access key that signs the recorded requests: the one of AWS's examples.
const (
	accessKey = "AKIDEXAMPLE"
	secret    = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" //nolint:gosec // public: it opens nothing but the fakes of these tests
)

// Directory is an aws.Directory that knows one access key, alice's.
type Directory struct{ credential *identity.Credential }

// NewDirectory returns the directory.
func NewDirectory() Directory {
	return Directory{&identity.Credential{
		ID: accessKey, Secret: identity.NewSecret(secret),
		Caller: key.Caller{
			Principal:  key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "alice"},
			Credential: accessKey, UserID: "AIDAEXAMPLE",
		},
	}}
}

// Credential implements aws.Directory.
func (d Directory) Credential(id string) (*identity.Credential, error) {
	if id != d.credential.ID {
		return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "no such access key")
	}
	return d.credential, nil
}

// SessionCredential implements aws.Directory.
func (Directory) SessionCredential(string, string) (*identity.Credential, error) {
	return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "no such session")
}

// Answer is what a client gets. Kind is the member __type, Fields are all.
type Answer struct {
	Status              int
	Kind, Message, Body string
	Fields              map[string]any
}

// said returns the failure in one line.
func (a Answer) said() string { return strings.TrimSpace(a.Kind + " " + a.Message) }

// Client sends requests to one API.
type Client struct {
	service aws.Service
	handler http.Handler
}

// NewClient returns alice's client of an API.
func NewClient(service aws.Service, door aws.Refuser) *Client {
	return &Client{service, serve(service, door, time.Now)}
}

func serve(service aws.Service, door aws.Refuser, now func() time.Time) http.Handler {
	return aws.New(aws.Config{Services: []aws.Service{service}, Directory: NewDirectory(), Door: door, Now: now})
}

// NewRequest returns alice's signed request for an operation.
//
// Of a Query API, body is the form without the operation.
func NewRequest(t testing.TB, service aws.Service, operation, body string) *http.Request {
	if service.Target == "" {
		body = "Action=" + url.QueryEscape(operation) + "&Version=" + service.Version + "&" + body
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/", strings.NewReader(body))
	if service.Target == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	} else {
		r.Header.Set("Content-Type", jsonType(service))
		r.Header.Set(sigv4.HeaderTarget, service.Target+"."+operation)
	}
	sigv4.Sign(r, []byte(body), sigv4.Credentials{AccessKeyID: accessKey, Secret: secret}, "us-east-1", service.Scope, time.Now())
	return r
}

// Send signs a request for an operation, as a client does, and sends it. An
// answer that is no JSON or, of a Query API, no XML, or without the headers of
// one, ends the test.
func (c *Client) Send(t testing.TB, operation, body string) Answer {
	t.Helper()
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, NewRequest(t, c.service, operation, body))
	kind := jsonType(c.service)
	if c.service.Target == "" {
		kind = "text/xml"
	}
	if w.Header().Get("X-Amzn-Requestid") == "" || w.Header().Get("Content-Type") != kind {
		t.Fatalf("%s: headers are %v", operation, w.Header())
	}
	a := Answer{Status: w.Code, Body: w.Body.String()}
	if c.service.Target == "" {
		a.readXML(t)
		return a
	}
	if a.Status == http.StatusOK && a.Body == "" {
		return a
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a.Fields); err != nil {
		t.Fatalf("%s %.200q: the answer is no JSON: %v: %s", operation, body, err, a.Body)
	}
	a.Kind, _ = a.Fields["__type"].(string)
	a.Message, _ = a.Fields["message"].(string)
	return a
}

// readXML reads the answer of a Query API. Fields stays empty.
func (a *Answer) readXML(t testing.TB) {
	t.Helper()
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal([]byte(a.Body), &e); err != nil {
		t.Fatalf("the answer is no XML: %v: %s", err, a.Body)
	}
	a.Kind, a.Message = e.Error.Code, e.Error.Message
}
