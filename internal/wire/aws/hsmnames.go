package aws

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// The ids of AWS CloudHSM and of custom key stores say what they are of:
// behind a prefix comes the id that the core knows.

const keyStorePrefix = "cks-"

// maxKeyStoreID is the longest CustomKeyStoreId of AWS's model.
const maxKeyStoreID = 64

// HSMResourceID returns the id of a cluster, an HSM or a backup as AWS writes
// it, such as "cluster-igklspoyj5v".
func HSMResourceID(kind key.ResourceKind, id string) string { return string(kind) + "-" + id }

// ParseHSMResourceID reads the id of a cluster, an HSM or a backup, whichever
// it is.
func ParseHSMResourceID(s string) (kind key.ResourceKind, id string, ok bool) {
	prefix, _, _ := strings.Cut(s, "-")
	switch kind = key.ResourceKind(prefix); kind { //nolint:exhaustive // the kinds that have such ids
	case key.KindCluster, key.KindHSM, key.KindBackup:
		id, ok = parseID(kind, s)
	}
	return kind, id, ok
}

// parseID reads "kind-id", whose id has 11 to 16 characters of base 32 in
// either case, as the patterns of AWS's model say.
func parseID(kind key.ResourceKind, s string) (id string, ok bool) {
	id, ok = strings.CutPrefix(s, string(kind)+"-")
	return id, ok && len(id) >= 11 && len(id) <= 16 &&
		strings.Trim(id, "234567abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// KeyStoreID returns the CustomKeyStoreId of a custom key store, such as
// "cks-1234567890abcdef0".
func KeyStoreID(id string) string { return keyStorePrefix + id }

// ParseKeyStoreID reads a CustomKeyStoreId. One that no key store can have is
// false.
func ParseKeyStoreID(s string) (id string, ok bool) {
	id, ok = strings.CutPrefix(s, keyStorePrefix)
	return id, ok && id != "" && len(s) <= maxKeyStoreID && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}
