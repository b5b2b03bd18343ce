package awstest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Kinds says what each kind of fault, without a reason, is to a client.
type Kinds struct {
	// Operation and Body are a request that reaches the door.
	Operation, Body string
	// Fault returns what the door fails with.
	Fault func(fault.Kind, fault.Reason) *fault.Error
	// Want are status, code and message; of fault.Internal without the
	// message.
	Want map[fault.Kind]string
}

// TestKinds holds that an API has the table's answer to every kind of fault.
func TestKinds(t *testing.T, fake Fake, kinds Kinds) {
	for _, k := range fault.Kinds() {
		service, d := fake(t)
		d.Err = kinds.Fault(k, fault.Unspecified)
		a := NewClient(service, d).Send(t, kinds.Operation, kinds.Body)
		got := fmt.Sprint(a.Status, " ", a.said())
		if k == fault.Internal {
			got, _, _ = strings.Cut(got, " The request failed because of an internal error. Request id: ")
		}
		if got != kinds.Want[k] {
			t.Errorf("%s:\n got %q\nwant %q", k, got, kinds.Want[k])
		}
		if a.Message == "" && strings.Contains(a.Body, "message") {
			t.Errorf("%s: an empty message is no member: %s", k, a.Body)
		}
	}
}

// Refusal is a row of an API's table of errors: what the door fails an
// operation with, and the code and message that a client gets. It is an alias:
// go vet wants the names of an imported type's fields in every row.
type Refusal = struct {
	Operation, Body string
	Err             *fault.Error
	Want            string
}

// TestReasons holds that an API has the rows' answers.
func TestReasons(t *testing.T, fake Fake, rows []Refusal) {
	for _, row := range rows {
		service, d := fake(t)
		d.Err = fmt.Errorf("wrapped: %w", row.Err)
		a := NewClient(service, d).Send(t, row.Operation, row.Body)
		if got := a.said(); got != row.Want || a.Status != http.StatusBadRequest {
			t.Errorf("%s, %v:\n got %d %q\nwant %q", row.Operation, row.Err, a.Status, got, row.Want)
		}
	}
}

// secrets are the reasons that only the secrets have: the tests of their API
// have rows of them.
var secrets = []fault.Reason{
	fault.SecretDeleted, fault.StageAttached, fault.StageStays, fault.PublicPolicy, fault.SecretKey, fault.NoSuchVersion, fault.VersionTaken,
}

// TestEveryReason holds that every reason has a row, unless it is one that no
// operation of the API can meet, and so fails for a reason that is added. The
// proof's own reasons are in the tests of package aws.
func TestEveryReason(t *testing.T, rows []Refusal, unmet ...fault.Reason) {
	seen := map[fault.Reason]bool{fault.Unspecified: true}
	for _, r := range slices.Concat(unmet, secrets) {
		seen[r] = true
	}
	for r := fault.MissingCredential; r <= fault.MalformedProof; r++ {
		seen[r] = true
	}
	for _, r := range ofSecrets {
		seen[r] = true
	}
	for _, row := range rows {
		seen[row.Err.Reason] = true
	}
	for r := range fault.MalformedProof + 1 {
		if !seen[r] {
			t.Errorf("reason %d has no row", r)
		}
	}
}

// ofSecrets are the reasons that only AWS Secrets Manager meets, whose tests
// have their rows.
var ofSecrets = []fault.Reason{
	fault.SecretDeleted, fault.StageAttached, fault.StageStays, fault.PublicPolicy, fault.SecretKey, fault.NoSuchVersion, fault.VersionTaken,
}

// TestSecretCause holds that the cause of a failure stays in the log. The
// request must be one that reaches the door.
func TestSecretCause(t *testing.T, fake Fake, operation, body string) {
	for _, err := range []error{
		errors.New("the cause"), &fault.Error{Kind: fault.Internal, Public: "the cause", Err: errors.New("the cause")},
	} {
		service, d := fake(t)
		d.Err = err
		a := NewClient(service, d).Send(t, operation, body)
		if a.Status != http.StatusInternalServerError || strings.Contains(a.Body, "the cause") || !strings.Contains(a.Message, "Request id: ") {
			t.Errorf("%v: %d %s", err, a.Status, a.Body)
		}
	}
}
