package kms

import (
	"errors"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// importFailed explains what is wrong with material that is brought. It is
// false for every other fault.
func importFailed(e *fault.Error) (aws.Failure, bool) {
	switch e.Reason { //nolint:exhaustive // the reasons of imports; the table test has all reasons
	case fault.ExpiredImportToken:
		return bad("ExpiredImportTokenException", e.Public), true
	case fault.InvalidImportToken:
		return bad("InvalidImportTokenException", e.Public), true
	case fault.IncorrectMaterial, fault.WeakKey:
		return bad("IncorrectKeyMaterialException", e.Public), true
	case fault.OriginForbids:
		return originForbids(e), true
	case fault.MaterialPending:
		return materialPending(e), true
	case fault.NoMaterialPending:
		return bad(invalidState, "No available key material pending rotation for the key: "+aws.ARNOf(e.Resource)+"."), true
	}
	return aws.Failure{}, false
}

// originForbids says what the key's origin is, where the fault tells the key.
func originForbids(e *fault.Error) aws.Failure {
	const code = "UnsupportedOperationException"
	about, ok := errors.AsType[*key.Misfit](e.Err)
	if !ok {
		return bad(code, e.Public)
	}
	return bad(code, aws.ARNOf(e.Resource)+" origin is "+wire.OriginName(about.Key.Origin)+" which is not valid for this operation.")
}

func materialPending(e *fault.Error) aws.Failure {
	about, ok := errors.AsType[*key.MaterialConflict](e.Err)
	if !ok {
		return bad(invalidState, e.Public)
	}
	return bad(invalidState, "New key material (id: "+about.New+") cannot be imported into KMS key "+aws.ARNOf(e.Resource)+
		", because another key material (id: "+about.Pending+") is pending rotation.")
}
