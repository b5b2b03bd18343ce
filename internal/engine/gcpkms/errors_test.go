package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// answered is an error of the service's.
func answered(t *testing.T, code codes.Code, text string, details ...protoadapt.MessageV1) error {
	t.Helper()
	st, err := status.New(code, text).WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Errorf("wrapped: %w", st.Err())
}

// TestClassify is what each error of the service means.
func TestClassify(t *testing.T) {
	state := func(state string) error {
		return answered(t, codes.FailedPrecondition, "projects/p/…/cryptoKeyVersions/1 is not enabled, current state is: "+state+".")
	}
	is := func(public string, reason fault.Reason, again bool) remote.Verdict {
		return remote.Verdict{Kind: fault.WrongState, Reason: reason, Public: "the key " + public + " where it lives", Again: again, Refused: true}
	}
	down := remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true}
	soon := &errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)}
	for name, tt := range map[string]struct {
		err  error
		want remote.Verdict
	}{
		"wrong request":    {answered(t, codes.InvalidArgument, "no"), remote.Verdict{Kind: fault.InvalidArgument}},
		"out of range":     {answered(t, codes.OutOfRange, "no"), remote.Verdict{Kind: fault.InvalidArgument}},
		"changed request":  {answered(t, codes.InvalidArgument, "The checksum in field digest_crc32c did not match the data in field digest."), remote.Verdict{Kind: fault.Unavailable, Again: true, Refused: true}},
		"not there":        {answered(t, codes.NotFound, "no"), remote.Verdict{Kind: fault.NotFound}},
		"there already":    {answered(t, codes.AlreadyExists, "yes"), remote.Verdict{Kind: fault.AlreadyExists}},
		"not allowed":      {answered(t, codes.PermissionDenied, "no"), remote.Verdict{Kind: fault.PermissionDenied}},
		"unknown caller":   {answered(t, codes.Unauthenticated, "who"), remote.Verdict{Kind: fault.Unauthenticated, Again: true, Refused: true}},
		"throttled":        {answered(t, codes.ResourceExhausted, "quota"), remote.Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true}},
		"throttled for 3s": {answered(t, codes.ResourceExhausted, "quota", soon), remote.Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true, After: 3 * time.Second}},
		"aborted":          {answered(t, codes.Aborted, "again"), remote.Verdict{Kind: fault.Conflict, Again: true}},
		"unimplemented":    {answered(t, codes.Unimplemented, "no"), remote.Verdict{Kind: fault.Unsupported}},
		"cancelled":        {answered(t, codes.Canceled, "gone"), remote.Verdict{Kind: fault.Unavailable, Again: true}},
		"unavailable":      {answered(t, codes.Unavailable, "connection error"), down},
		"unavailable 3s":   {answered(t, codes.Unavailable, "later", soon), remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true, After: 3 * time.Second}},
		"internal":         {answered(t, codes.Internal, "oops"), down},
		"unknown":          {answered(t, codes.Unknown, "oops"), down},
		"data loss":        {answered(t, codes.DataLoss, "oops"), down},
		"too late there":   {answered(t, codes.DeadlineExceeded, "slow"), down},
		"too late here":    {context.DeadlineExceeded, down},
		"given up":         {context.Canceled, remote.Verdict{Kind: fault.Unavailable, Again: true}},
		"no status":        {errors.New("something else"), down},

		"disabled":              {state("DISABLED"), is("is disabled", fault.KeyDisabled, false)},
		"to be destroyed":       {state("DESTROY_SCHEDULED"), is("is about to be destroyed", fault.KeyPendingDeletion, false)},
		"to be destroyed there": {state("PENDING_EXTERNAL_DESTRUCTION"), is("is about to be destroyed", fault.KeyPendingDeletion, false)},
		"destroyed":             {state("DESTROYED"), is("was destroyed", fault.KeyUnavailable, false)},
		"being made":            {state("PENDING_GENERATION"), is("is still being made", fault.KeyCreating, true)},
		"being imported":        {state("PENDING_IMPORT"), is("is still being imported", fault.KeyPendingImport, true)},
		"never imported":        {state("IMPORT_FAILED"), is("was never made", fault.KeyUnavailable, false)},
		"another state":         {answered(t, codes.FailedPrecondition, "no"), remote.Verdict{Kind: fault.WrongState}},
		"violation": {
			answered(t, codes.FailedPrecondition, "no", &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{Type: "KEY_DISABLED"}}}),
			is("is disabled", fault.KeyDisabled, false),
		},

		"damaged answer": {damaged("signature"), remote.Verdict{Kind: fault.Unavailable, Public: "the answers of the key service do not arrive as they should", Again: true}},
		"own":            {fault.Because(fault.WrongState, fault.KeyUnavailable, "text"), remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Public: "text"}},

		"ciphertext":          {ofCiphertext(answered(t, codes.InvalidArgument, "Decryption failed")), remote.Verdict{Kind: fault.BadCiphertext}},
		"changed ciphertext":  {ofCiphertext(answered(t, codes.InvalidArgument, "checksum mismatch")), remote.Verdict{Kind: fault.Unavailable, Again: true, Refused: true}},
		"decryption, no key":  {ofCiphertext(answered(t, codes.NotFound, "no")), remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Public: "the key is no more where it lived"}},
		"use, no key":         {ofUse(answered(t, codes.NotFound, "no")), remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Public: "the key is no more where it lived"}},
		"use, other failures": {ofUse(answered(t, codes.Internal, "oops")), down},
	} {
		if diff := cmp.Diff(tt.want, classify(tt.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if ofUse(nil) != nil || ofCiphertext(nil) != nil {
		t.Error("no failure is one")
	}
}

// TestEveryCode: each code means something.
func TestEveryCode(t *testing.T) {
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		v := ofCode(code, status.Error(code, strings.ToLower(code.String())))
		if v.Kind == fault.Internal {
			t.Errorf("%s is internal", code)
		}
		if v.Down && !v.Again || v.Refused && !v.Again {
			t.Errorf("%s: %+v", code, v)
		}
	}
}
