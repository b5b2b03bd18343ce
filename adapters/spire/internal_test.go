package spire

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-kms/holdfast"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for kind, want := range map[holdfast.Kind]codes.Code{
		holdfast.InvalidArgument: codes.InvalidArgument, holdfast.Unauthenticated: codes.Unauthenticated,
		holdfast.PermissionDenied: codes.PermissionDenied, holdfast.NotFound: codes.NotFound, holdfast.AlreadyExists: codes.AlreadyExists,
		holdfast.WrongState: codes.FailedPrecondition, holdfast.Conflict: codes.FailedPrecondition, holdfast.Unsupported: codes.FailedPrecondition,
		holdfast.LimitExceeded: codes.ResourceExhausted, holdfast.Unavailable: codes.Unavailable, holdfast.Internal: codes.Internal,
		holdfast.BadCiphertext: codes.Internal, holdfast.BadSignature: codes.Internal,
	} {
		if got := status.Code(statusOf(fmt.Errorf("signing: %w", &holdfast.Error{Kind: kind}))); got != want {
			t.Errorf("%s is %s and not %s", kind, got, want)
		}
	}
	for err, want := range map[error]codes.Code{
		nil: codes.OK, errors.New("x"): codes.Internal, context.Canceled: codes.Canceled, context.DeadlineExceeded: codes.DeadlineExceeded,
		status.Error(codes.FailedPrecondition, "x"): codes.FailedPrecondition,
	} {
		if got := status.Code(statusOf(err)); got != want {
			t.Errorf("%v is %s and not %s", err, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ place, id, begins, ends string }{
		{"holdfast:///", "x509-CA-A", "alias/spire-x509-CA-A-", ""},
		{"awskms:///?region=x", "JWT/Signer.ü", "alias/spire-JWT-Signer---", ""},
		{"file:/keys", "WIT-Signer-B", "spire-WIT-Signer-B-", ".pem"},
		{"gcpkms://projects/p/locations/l/keyRings/r", "a-name-that-is-longer-than-any-that-SPIRE-has", "spire-a-name-that-is-longer-than-a-", ""},
	} {
		m := &manager{config: &config{Place: test.place, Prefix: defaultPrefix}}
		name, other := m.name(test.id), m.name(test.id)
		if len(name) != len(test.begins)+13+len(test.ends) || name[:len(test.begins)] != test.begins || name == other {
			t.Errorf("%s in %s is %s and then %s", test.id, test.place, name, other)
		}
	}
}

// FuzzIndex checks that a file that is read is written the same.
func FuzzIndex(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"version": 1}`, `{"version": 1, "place": "file:/k", "keys": {"a": {"uri": "file:/k/a", "fingerprint": "00"}}}`,
		`{"version": 1, "more": 1}`, `{"version": 1} x`, `{"version": 2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		i, err := parseIndex(text)
		if err != nil {
			return
		}
		b, err := i.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseIndex(b); err != nil || !reflect.DeepEqual(i, again) {
			t.Errorf("%q is written as %q: %v", text, b, err)
		}
	})
}
