package kms

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the AWS KMS API over a door and custom key stores.
func New(door Door, stores Stores) aws.Service {
	f := &front{door, stores}
	return aws.Service{
		API: "aws.kms", Scope: "kms", Target: "TrentService",
		Operations: f.table(), Known: unserved, Explain: explain,
	}
}

// table is the API: name, action, and the handler, whose argument says what
// the request is.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.JSON("CancelKeyDeletion", key.CancelKeyDeletion, f.cancelKeyDeletion),
		aws.JSON("ConnectCustomKeyStore", key.ConnectKeyStore, f.connectCustomKeyStore),
		aws.JSON("CreateAlias", key.CreateAlias, f.createAlias),
		aws.JSON("CreateCustomKeyStore", key.CreateKeyStore, f.createCustomKeyStore),
		aws.JSON("CreateKey", key.CreateKey, f.createKey),
		aws.JSON("Decrypt", key.Decrypt, f.decrypt),
		aws.JSON("DeleteAlias", key.DeleteAlias, f.deleteAlias),
		aws.JSON("DeleteCustomKeyStore", key.DeleteKeyStore, f.deleteCustomKeyStore),
		aws.JSON("DeleteImportedKeyMaterial", key.DeleteKeyMaterial, f.deleteImportedKeyMaterial),
		aws.JSON("DeriveSharedSecret", key.DeriveSharedSecret, f.deriveSharedSecret),
		aws.JSON("DescribeCustomKeyStores", key.DescribeKeyStores, f.describeCustomKeyStores),
		aws.JSON("DescribeKey", key.DescribeKey, f.describeKey),
		aws.JSON("DisableKey", key.DisableKey, f.disableKey),
		aws.JSON("DisableKeyRotation", key.DisableKeyRotation, f.disableKeyRotation),
		aws.JSON("DisconnectCustomKeyStore", key.DisconnectKeyStore, f.disconnectCustomKeyStore),
		aws.JSON("EnableKey", key.EnableKey, f.enableKey),
		aws.JSON("EnableKeyRotation", key.EnableKeyRotation, f.enableKeyRotation),
		aws.JSON("Encrypt", key.Encrypt, f.encrypt),
		aws.JSON("GenerateDataKey", key.GenerateDataKey, f.generateDataKey),
		aws.JSON("GenerateDataKeyWithoutPlaintext", key.GenerateDataKeyWithoutPlaintext, f.generateDataKeyWithoutPlaintext),
		aws.JSON("GenerateMac", key.GenerateMAC, f.generateMac),
		aws.JSON("GenerateRandom", key.GenerateRandom, f.generateRandom),
		aws.JSON("GetKeyPolicy", key.GetKeyPolicy, f.getKeyPolicy),
		aws.JSON("GetKeyRotationStatus", key.GetKeyRotationStatus, f.getKeyRotationStatus),
		aws.JSON("GetParametersForImport", key.GetImportParameters, f.getParametersForImport),
		aws.JSON("GetPublicKey", key.GetPublicKey, f.getPublicKey),
		aws.JSON("ImportKeyMaterial", key.ImportKeyMaterial, f.importKeyMaterial),
		aws.JSON("ListAliases", key.ListAliases, f.listAliases),
		aws.JSON("ListKeyPolicies", key.ListKeyPolicies, f.listKeyPolicies),
		aws.JSON("ListKeyRotations", key.ListKeyRotations, f.listKeyRotations),
		aws.JSON("ListKeys", key.ListKeys, f.listKeys),
		aws.JSON("ListResourceTags", key.ListResourceTags, f.listResourceTags),
		aws.JSON("PutKeyPolicy", key.PutKeyPolicy, f.putKeyPolicy),
		aws.JSON("ReEncrypt", key.ReEncryptFrom, f.reEncrypt),
		aws.JSON("RotateKeyOnDemand", key.RotateKeyOnDemand, f.rotateKeyOnDemand),
		aws.JSON("ScheduleKeyDeletion", key.ScheduleKeyDeletion, f.scheduleKeyDeletion),
		aws.JSON("Sign", key.Sign, f.sign),
		aws.JSON("TagResource", key.TagResource, f.tagResource),
		aws.JSON("UntagResource", key.UntagResource, f.untagResource),
		aws.JSON("UpdateAlias", key.UpdateAlias, f.updateAlias),
		aws.JSON("UpdateCustomKeyStore", key.UpdateKeyStore, f.updateCustomKeyStore),
		aws.JSON("UpdateKeyDescription", key.UpdateKeyDescription, f.updateKeyDescription),
		aws.JSON("Verify", key.Verify, f.verify),
		aws.JSON("VerifyMac", key.VerifyMAC, f.verifyMac),
	}
}

// unserved are AWS KMS's other operations (AWS SDK for Go v2, kms 1.62.4).
var unserved = []string{
	"CreateGrant", "Decapsulate", "Encapsulate", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
	"GetKeyLastUsage", "ListGrants", "ListRetirableGrants", "ReplicateKey", "RetireGrant", "RevokeGrant",
	"UpdatePrimaryRegion",
}

// Operations returns all operations of AWS KMS in the order of their names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved) }
