package cryptoki

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

func TestFaults(t *testing.T) {
	want := map[fault.Kind]pkcs11.RV{
		fault.Internal: pkcs11.RVFunctionFailed, fault.InvalidArgument: pkcs11.RVArgumentsBad, fault.Unauthenticated: pkcs11.RVUserNotLoggedIn,
		fault.PermissionDenied: pkcs11.RVKeyFunctionNotPermitted, fault.NotFound: pkcs11.RVObjectHandleInvalid,
		fault.AlreadyExists: pkcs11.RVTemplateInconsistent, fault.WrongState: pkcs11.RVKeyFunctionNotPermitted, fault.Conflict: pkcs11.RVFunctionFailed,
		fault.Unsupported: pkcs11.RVMechanismInvalid, fault.LimitExceeded: pkcs11.RVTokenResourceExceeded,
		fault.BadCiphertext: pkcs11.RVEncryptedDataInvalid, fault.BadSignature: pkcs11.RVSignatureInvalid, fault.Unavailable: pkcs11.RVDeviceError,
	}
	for _, k := range fault.Kinds() {
		if got := rvOf(fmt.Errorf("doing it: %w", fault.New(k, "no"))); got != want[k] || got == pkcs11.RVOK {
			t.Errorf("%s: %v, want %v", k, got, want[k])
		}
	}
	for _, c := range []struct {
		err  error
		want pkcs11.RV
	}{
		{nil, pkcs11.RVOK},
		{errors.New("something"), pkcs11.RVFunctionFailed},
		{fmt.Errorf("doing it: %w", pkcs11.RVKeySizeRange), pkcs11.RVKeySizeRange},
		{fmt.Errorf("asking: %w", context.DeadlineExceeded), pkcs11.RVDeviceError},
		{fault.Because(fault.InvalidArgument, fault.WrongUsage, "no"), pkcs11.RVKeyFunctionNotPermitted},
		{fault.Because(fault.InvalidArgument, fault.MessageTooLong, "no"), pkcs11.RVDataLenRange},
		{fault.Because(fault.WrongState, fault.NotExportable, "no"), pkcs11.RVKeyUnextractable},
	} {
		if got := rvOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
