package awskms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// answered returns an error that the service answered.
func answered(status int, code, message string, header ...string) error {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return fmt.Errorf("operation error KMS: Sign, https response error: %w", &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: h}},
		Err:      &smithy.GenericAPIError{Code: code, Message: message},
	})
}

func sending(err error) error {
	return fmt.Errorf("operation error: %w", &smithyhttp.RequestSendError{Err: err})
}

// TestVerdicts says what the service's documented errors mean.
func TestVerdicts(t *testing.T) {
	const arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
	of := func(kind fault.Kind) remote.Verdict { return remote.Verdict{Kind: kind, Refused: true} }
	state := func(r fault.Reason) remote.Verdict {
		return remote.Verdict{Kind: fault.WrongState, Reason: r, Refused: true}
	}
	down := remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true}
	unsent := remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true, Refused: true}
	slower := remote.Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true}
	later := slower
	later.After = 7 * time.Second
	renew := remote.Verdict{Kind: fault.Unauthenticated, Again: true, Refused: true}
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, tt := range []struct {
		name string
		err  error
		want remote.Verdict
	}{
		{"no such key", answered(400, "NotFoundException", "Key '"+arn+"' does not exist"), of(fault.NotFound)},
		{"no such key, and it was made a moment ago", &notYet{answered(400, "NotFoundException", "")}, remote.Verdict{Kind: fault.NotFound, Again: true, Refused: true}},
		{"name taken", answered(400, "AlreadyExistsException", ""), of(fault.AlreadyExists)},
		{"disabled", answered(400, "DisabledException", arn+" is disabled."), state(fault.KeyDisabled)},
		{"pending deletion", answered(400, "KMSInvalidStateException", arn+" is pending deletion."), state(fault.KeyPendingDeletion)},
		{"not pending deletion", answered(400, "KMSInvalidStateException", arn+" is not pending deletion."), state(fault.KeyNotPendingDeletion)},
		{"pending import", answered(400, "KMSInvalidStateException", arn+" is pending import."), state(fault.KeyPendingImport)},
		{"creating", answered(400, "KMSInvalidStateException", arn+" is creating."), state(fault.KeyCreating)},
		{"another state", answered(400, "KMSInvalidStateException", arn+" is unavailable."), state(fault.KeyUnavailable)},
		{"bad ciphertext", answered(400, "InvalidCiphertextException", ""), of(fault.BadCiphertext)},
		{"another key's ciphertext", answered(400, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."), of(fault.BadCiphertext)},
		{"an unknown key's ciphertext", answered(400, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."), of(fault.BadCiphertext)},
		{"bad signature", answered(400, "KMSInvalidSignatureException", ""), of(fault.BadSignature)},
		{"bad code", answered(400, "KMSInvalidMacException", ""), of(fault.BadSignature)},
		{"wrong usage", answered(400, "InvalidKeyUsageException", arn+" key usage is SIGN_VERIFY which is not valid for Encrypt."), of(fault.Unsupported)},
		{"not offered", answered(400, "UnsupportedOperationException", ""), of(fault.Unsupported)},
		{"malformed", answered(400, "ValidationException", "1 validation error detected"), of(fault.InvalidArgument)},
		{"unknown code", answered(400, "SomethingNewException", ""), of(fault.InvalidArgument)},
		{"other material", answered(400, "IncorrectKeyMaterialException", ""), of(fault.Conflict)},
		{"two at once", answered(400, "ConflictException", ""), remote.Verdict{Kind: fault.Conflict, Again: true, Refused: true}},

		{"throttled", answered(400, "ThrottlingException", "You have exceeded the rate at which you may call KMS."), slower},
		{"throttled, and told for how long", answered(400, "ThrottlingException", "", "Retry-After", "7"), later},
		{"throttled, and told nonsense", answered(400, "ThrottlingException", "", "Retry-After", "soon"), slower},
		{"throttled on the way", answered(429, "", ""), slower},
		{"a quota", answered(400, "LimitExceededException", ""), of(fault.LimitExceeded)},

		{"not allowed", answered(400, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/x is not authorized to perform: kms:Sign"), of(fault.PermissionDenied)},
		{"not allowed, by who knows", answered(403, "Forbidden", ""), of(fault.PermissionDenied)},
		{"unknown credential", answered(400, "UnrecognizedClientException", ""), of(fault.Unauthenticated)},
		{"wrong signature", answered(400, "InvalidSignatureException", ""), of(fault.Unauthenticated)},
		{"expired credential", answered(400, "ExpiredTokenException", ""), renew},
		{"wrong clock", answered(403, "RequestTimeTooSkewed", ""), renew},

		{"internal error", answered(500, "KMSInternalException", ""), down},
		{"internal error without a code", answered(502, "", ""), down},
		{"dependency", answered(503, "DependencyTimeoutException", ""), down},
		{"key unavailable", answered(500, "KeyUnavailableException", ""), remote.Verdict{Kind: fault.Unavailable, Again: true, Refused: true}},
		{"key store away", answered(400, "CustomKeyStoreInvalidStateException", ""), of(fault.Unavailable)},

		{"no connection", sending(dial), unsent},
		{"connection broken", sending(io.ErrUnexpectedEOF), down},
		{"half an answer", &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}, down},
		{"answer for another key", &wrongAnswer{"no key"}, down},
		{"too late", context.DeadlineExceeded, down},
		{"a request that cannot be written", &smithy.SerializationError{Err: io.ErrClosedPipe}, of(fault.Internal)},

		{"no credentials", &noCredentials{errors.New("no EC2 IMDS role found")}, of(fault.Unauthenticated)},
		{"a role that is refused", &noCredentials{answered(403, "AccessDenied", "")}, of(fault.Unauthenticated)},
		{"a web identity that has expired", &noCredentials{answered(400, "ExpiredTokenException", "")}, of(fault.Unauthenticated)},
		{"STS is throttled", &noCredentials{answered(400, "Throttling", "")}, slower},
		{"STS fails", &noCredentials{answered(500, "InternalFailure", "")}, unsent},
		{"STS cannot be reached", &noCredentials{sending(io.ErrUnexpectedEOF)}, unsent},
	} {
		got := classify(tt.err)
		got.Public = "" // words for the caller
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestUsed says what errors mean for a key that was there once.
func TestUsed(t *testing.T) {
	gone := used(fault.New(fault.NotFound, "no such key"))
	if fault.KindOf(gone) != fault.WrongState || fault.ReasonOf(gone) != fault.KeyUnavailable {
		t.Errorf("a key that is gone: %v", gone)
	}
	if err := used(nil); err != nil {
		t.Errorf("no error: %v", err)
	}
}

// TestAnswers says which answers are about the key that was asked for.
func TestAnswers(t *testing.T) {
	const arn = "arn:aws:kms:eu-central-1:123456789012:key/0c1d"
	for got, want := range map[string]bool{
		arn: true, "0c1d": true,
		"": false, "1d": false, "key/0c1d": false,
		"arn:aws:kms:eu-central-1:123456789012:key/0c1e": false,
		"arn:aws:kms:eu-central-1:210987654321:key/0c1d": false,
		"arn:aws:kms:us-east-1:123456789012:key/0c1d":    false,
	} {
		if err := answers(arn, &got); (err == nil) != want {
			t.Errorf("%q for %s: %v", got, arn, err)
		}
	}
	if answers(arn, nil) == nil {
		t.Error("no key is taken for the one")
	}
}

// TestDoubts says what the memory of doubtful keys keeps.
func TestDoubts(t *testing.T) {
	var d doubts
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	d.note("a", late)
	d.note("a", early)
	d.note("a", late)
	if since, ok := d.of("a"); !ok || !since.Equal(early) {
		t.Errorf("the first time is %v, %t", since, ok)
	}
	d.end("a")
	if _, ok := d.of("a"); ok {
		t.Error("a doubt that has ended is still there")
	}
	for i := range 3 * maxDoubts {
		d.note(fmt.Sprint(i), early)
	}
	if len(d.since) != maxDoubts {
		t.Errorf("%d doubts are kept", len(d.since))
	}
}

// TestTurns says that calls for one name follow one another, and that no other
// call waits.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var of turns
		inside, began := 0, time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				done, err := of.take(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				defer done()
				if inside++; inside != 1 {
					t.Errorf("%d calls at once", inside)
				}
				time.Sleep(time.Second)
				inside--
			})
		}
		synctest.Wait()
		other, err := of.take(t.Context(), "b")
		if err != nil || time.Since(began) != 0 {
			t.Errorf("another name waited for %v (%v)", time.Since(began), err)
		}
		other()
		short, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := of.take(short, "a"); fault.KindOf(err) != fault.Unavailable || time.Since(began) != time.Second/2 {
			t.Errorf("a caller who gives up after half a second: %v after %v", err, time.Since(began))
		}
		all.Wait()
		if took := time.Since(began); took != 5*time.Second || len(of.busy) != 0 {
			t.Errorf("it took %v, and %d names are busy", took, len(of.busy))
		}
	})
}
