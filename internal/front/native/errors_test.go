package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Every kind of failure has one status.
func TestStatus(t *testing.T) {
	want := map[fault.Kind]int{
		fault.Internal:         500,
		fault.InvalidArgument:  400,
		fault.Unauthenticated:  401,
		fault.PermissionDenied: 403,
		fault.NotFound:         404,
		fault.AlreadyExists:    409,
		fault.WrongState:       409,
		fault.Conflict:         409,
		fault.Unsupported:      422,
		fault.LimitExceeded:    422,
		fault.BadCiphertext:    422,
		fault.BadSignature:     422,
		fault.Unavailable:      503,
	}
	for _, k := range fault.Kinds() {
		status, ok := want[k]
		if !ok {
			t.Errorf("the kind %s is in no row", k)
			continue
		}
		w := httptest.NewRecorder()
		WriteProblem(w, "id", fault.New(k, "text"))
		if w.Code != status {
			t.Errorf("%s answers %d, want %d", k, w.Code, status)
		}
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type %q", k, got)
		}
		if got := w.Header().Get("WWW-Authenticate") != ""; got != (k == fault.Unauthenticated) {
			t.Errorf("%s: WWW-Authenticate %v", k, got)
		}
	}
}

// What a caller is told, and what not.
func TestProblem(t *testing.T) {
	opaque := "the server failed; its log has the cause under this request id"
	tests := map[string]struct {
		err  error
		want wire.Problem
	}{
		"wrapped": {
			fmt.Errorf("loading: %w", &fault.Error{
				Kind: fault.WrongState, Reason: fault.KeyDisabled, Resource: "r/e/id", Public: "the key is disabled",
				Op: "kms.Sign", Err: errors.New("a cause"),
			}),
			wire.Problem{
				Type: "urn:holdfast:problem:wrong-state", Title: "wrong state", Status: 409, Detail: "the key is disabled",
				Kind: "wrong-state", Reason: "key-disabled", Resource: "r/e/id", RequestID: "id",
			},
		},
		"nobody's": {
			errors.New("open /var/lib/holdfast/root.key: permission denied"),
			wire.Problem{
				Type: "urn:holdfast:problem:internal", Title: "internal", Status: 500, Detail: opaque, Kind: "internal", RequestID: "id",
			},
		},
		"internal with a text": {
			fault.New(fault.Internal, "row 7 of table keys"),
			wire.Problem{
				Type: "urn:holdfast:problem:internal", Title: "internal", Status: 500, Detail: opaque, Kind: "internal", RequestID: "id",
			},
		},
		"too slow": {
			fmt.Errorf("waiting: %w", context.DeadlineExceeded),
			wire.Problem{
				Type: "urn:holdfast:problem:unavailable", Title: "unavailable", Status: 503, Detail: "the request took too long",
				Kind: "unavailable", RequestID: "id",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteProblem(w, "id", test.err)
			var got wire.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}
