package entry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// line is the JSON form of an Entry; Append writes it.
type line struct {
	Version    int          `json:"v"`
	Time       time.Time    `json:"time"`
	Realm      string       `json:"realm"`
	Region     string       `json:"region"`
	Request    string       `json:"request"`
	API        string       `json:"api"`
	Operation  string       `json:"operation"`
	Action     string       `json:"action"`
	Principal  string       `json:"principal"`
	Credential string       `json:"credential"`
	Method     string       `json:"method"`
	MFA        bool         `json:"mfa"`
	Source     string       `json:"source"`
	Agent      string       `json:"agent"`
	Resource   string       `json:"resource"`
	Decision   string       `json:"decision"`
	Why        string       `json:"why"`
	Result     string       `json:"result"`
	Error      string       `json:"error"`
	Details    []lineDetail `json:"details"`
}

type lineDetail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// actions maps the actions' names to them.
var actions = sync.OnceValue(func() map[string]key.Action {
	byName := make(map[string]key.Action)
	for _, a := range key.Actions() {
		byName[a.String()] = a
	}
	return byName
})

// Decode reads what Append wrote. A member that it does not know is
// an error: a record of another version has another "v". An action of a later
// Holdfast is NoAction; the line still names it.
func Decode(payload []byte) (Entry, error) {
	if e, ok := decodeLine(payload); ok {
		return e, nil
	}
	return decodeAny(payload)
}

// decodeAny reads a line in any form that JSON allows.
func decodeAny(payload []byte) (Entry, error) {
	var l line
	if err := DecodeJSON(payload, &l); err != nil {
		return Entry{}, err
	}
	if l.Version != recordVersion {
		return Entry{}, fmt.Errorf("record of version %d; this Holdfast reads version %d", l.Version, recordVersion)
	}
	e := Entry{
		Time: l.Time.UTC(), Realm: key.RealmID(l.Realm), Region: l.Region, RequestID: l.Request,
		API: l.API, Operation: l.Operation, Action: actions()[l.Action],
		Principal: l.Principal, Credential: l.Credential, Method: l.Method, MFA: l.MFA,
		Source: l.Source, UserAgent: l.Agent, Resource: l.Resource,
		Decision: Decision(l.Decision), Why: l.Why, Result: l.Result, Error: l.Error,
	}
	for _, d := range l.Details {
		e.Details = append(e.Details, Detail(d))
	}
	return e, nil
}

// DecodeJSON reads exactly one JSON value with no unknown member.
func DecodeJSON(payload []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
