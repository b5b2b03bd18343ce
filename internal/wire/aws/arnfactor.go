package aws

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// FactorARN returns the serial number by which AWS names a virtual MFA device.
func FactorARN(realm key.RealmID, name string) string {
	return ARN{Partition, "iam", "", string(realm), "mfa/" + name}.String()
}

// ParseFactor returns the name of the second factor that a serial number is of:
// an ARN of the realm's, or the name itself.
func ParseFactor(realm key.RealmID, serial string) (name string, ok bool) {
	if name, ok = strings.CutPrefix(serial, FactorARN(realm, "")); ok {
		return name, name != ""
	}
	return serial, serial != "" && !strings.ContainsAny(serial, ":/")
}
