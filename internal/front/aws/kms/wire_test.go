package kms_test

import (
	"flag"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
)

var update = flag.Bool("update", false, "rewrite testdata/answers")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{Operations: awskms.Operations(), Update: *update})
}

// TestOperations holds the table against the list of AWS's operations (AWS
// SDK for Go v2, kms 1.62.4): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateGrant CreateKey Decapsulate Decrypt
DeleteAlias DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret DescribeCustomKeyStores DescribeKey DisableKey
DisableKeyRotation DisconnectCustomKeyStore EnableKey EnableKeyRotation Encapsulate Encrypt GenerateDataKey GenerateDataKeyPair
GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetKeyLastUsage GetKeyPolicy
GetKeyRotationStatus GetParametersForImport GetPublicKey ImportKeyMaterial ListAliases ListGrants ListKeyPolicies ListKeyRotations
ListKeys ListResourceTags ListRetirableGrants PutKeyPolicy ReEncrypt ReplicateKey RetireGrant RevokeGrant RotateKeyOnDemand
ScheduleKeyDeletion Sign TagResource UntagResource UpdateAlias UpdateCustomKeyStore UpdateKeyDescription UpdatePrimaryRegion
Verify VerifyMac`
	awstest.TestOperations(t, awskms.Operations(), all)
}
