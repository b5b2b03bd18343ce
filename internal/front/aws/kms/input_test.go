package kms_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

func blob(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

// importing is a request to ImportKeyMaterial with more members.
func importing(more string) string {
	return `{"KeyId":"k","ImportToken":"aGk=","EncryptedKeyMaterial":"aG8=",` + more + `}`
}

// TestBadInput has requests that never reach the door, and AWS's own words
// for what is wrong with them.
func TestBadInput(t *testing.T) {
	const one = "ValidationException 1 validation error detected: Value "
	long := strings.Repeat("x", 2049)
	awstest.TestBadInput(t, fake, []struct{ Operation, Body, Want string }{
		// JSON.
		{"Encrypt", `{`, "SerializationException"},
		{"Encrypt", `[]`, "SerializationException Start of list found where not expected"},
		{"Encrypt", `null`, "SerializationException NULL_VALUE can not be converted to a Structure"},
		{"Encrypt", `"x"`, "SerializationException STRING_VALUE can not be converted to a Structure"},
		{"Encrypt", `{"KeyId":"k","KeyId":"k","Plaintext":"aGk="}`, "SerializationException"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","Unknown":{"a":1,"a":2}}`, "SerializationException"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk="} {}`, "SerializationException"},
		{"Encrypt", "{\"KeyId\":\"k\x00\",\"Plaintext\":\"aGk=\"}", "SerializationException"},
		{"Encrypt", "{\"KeyId\":\"\xff\",\"Plaintext\":\"aGk=\"}", "SerializationException"},
		{"Encrypt", `{"KeyId":"\ud800","Plaintext":"aGk="}`, "SerializationException"},
		{"Encrypt", `{"X":` + strings.Repeat("[", 5000), "SerializationException"},
		{"Encrypt", `{"X":` + strings.Repeat(`{"a":`, 5000), "SerializationException"},
		{"Encrypt", `{"KeyId":1,"Plaintext":"aGk="}`, "SerializationException NUMBER_VALUE can not be converted to a String"},
		{"Encrypt", `{"KeyId":["k"],"Plaintext":"aGk="}`, "SerializationException Start of list found where not expected"},
		{"Encrypt", `{"KeyId":{},"Plaintext":"aGk="}`, "SerializationException Start of structure or map found where not expected"},
		{"Encrypt", `{"KeyId":"k","Plaintext":7}`, "SerializationException NUMBER_VALUE can not be converted to a Blob"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"not base64"}`, "SerializationException"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk"}`, "SerializationException"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionContext":{"a":1}}`, "SerializationException NUMBER_VALUE can not be converted to a String"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionContext":{"a":null}}`, "SerializationException NULL_VALUE can not be converted to a String"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionContext":{"a":"1","\u0061":"2"}}`, "SerializationException"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionContext":[]}`, "SerializationException Start of list found where not expected"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","DryRun":"true"}`, "SerializationException STRING_VALUE can not be converted to a Boolean"},
		{"GenerateRandom", `{"NumberOfBytes":"5"}`, "SerializationException STRING_VALUE can not be converted to an Integer"},
		{"GenerateRandom", `{"NumberOfBytes":1e3}`, "SerializationException NUMBER_VALUE can not be converted to an Integer"},
		{"GenerateRandom", `{"NumberOfBytes":1e999999999}`, "SerializationException NUMBER_VALUE can not be converted to an Integer"},
		{"GenerateRandom", `{"NumberOfBytes":99999999999999999999}`, "SerializationException NUMBER_VALUE can not be converted to an Integer"},
		{"TagResource", `{"KeyId":"k","Tags":{"a":"b"}}`, "SerializationException Start of structure or map found where not expected"},
		{"TagResource", `{"KeyId":"k","Tags":["a"]}`, "SerializationException STRING_VALUE can not be converted to a Structure"},
		{"UntagResource", `{"KeyId":"k","TagKeys":[1]}`, "SerializationException NUMBER_VALUE can not be converted to a String"},

		// Constraints.
		{"Encrypt", ``, "ValidationException 2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; Value null at 'plaintext' failed to satisfy constraint: Member must not be null"},
		{"Encrypt", `{"KeyId":null,"Plaintext":"aGk="}`, one + "null at 'keyId' failed to satisfy constraint: Member must not be null"},
		{"Encrypt", `{"KeyId":"","Plaintext":"aGk="}`, one + "'' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"Encrypt", `{"KeyId":"` + long + `","Plaintext":"aGk="}`, one + "'" + long[1:] + "...' at 'keyId' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		{"Encrypt", `{"KeyId":"k","Plaintext":""}`, one + "at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"` + blob(4097) + `"}`, one + "at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096"},
		{"Decrypt", `{"CiphertextBlob":"` + blob(6145) + `"}`, one + "at 'ciphertextBlob' failed to satisfy constraint: Member must have length less than or equal to 6144"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionAlgorithm":"ROT13"}`, one + "'ROT13' at 'encryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]"},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionAlgorithm":""}`, one + "'' at 'encryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]"},
		{"GenerateMac", `{"KeyId":"k","Message":"aGk=","MacAlgorithm":"HMAC_MD5"}`, one + "'HMAC_MD5' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [HMAC_SHA_224, HMAC_SHA_256, HMAC_SHA_384, HMAC_SHA_512]"},
		{"Sign", `{"KeyId":"k","Message":"aGk=","MessageType":"raw","SigningAlgorithm":"ECDSA_SHA_256"}`, one + "'raw' at 'messageType' failed to satisfy constraint: Member must satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]"},
		{"GenerateRandom", `{}`, "ValidationException NumberOfBytes is required."},
		{"GenerateRandom", `{"NumberOfBytes":0}`, one + "'0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"GenerateRandom", `{"NumberOfBytes":-5}`, one + "'-5' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"GenerateRandom", `{"NumberOfBytes":1025}`, one + "'1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"},
		{"GenerateDataKey", `{"KeyId":"k"}`, "ValidationException Please specify either number of bytes or key spec."},
		{"GenerateDataKey", `{"KeyId":"k","NumberOfBytes":16,"KeySpec":"AES_128"}`, "ValidationException Please specify either number of bytes or key spec."},
		{"ScheduleKeyDeletion", `{"KeyId":"k","PendingWindowInDays":6}`, one + "'6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 7"},
		{"ScheduleKeyDeletion", `{"KeyId":"k","PendingWindowInDays":31}`, one + "'31' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value less than or equal to 30"},
		{"EnableKeyRotation", `{"KeyId":"k","RotationPeriodInDays":89}`, one + "'89' at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value greater than or equal to 90"},
		{"EnableKeyRotation", `{"KeyId":"k","RotationPeriodInDays":2561}`, one + "'2561' at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value less than or equal to 2560"},
		{"ListKeys", `{"Limit":1001}`, one + "'1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"ListAliases", `{"Limit":101}`, one + "'101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100"},
		{"ListResourceTags", `{"KeyId":"k","Limit":51}`, one + "'51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50"},
		{"CreateAlias", `{"AliasName":"alias/a b","TargetKeyId":"k"}`, one + "'alias/a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"CreateAlias", `{"AliasName":"alias/x","TargetKeyId":"alias/y"}`, "ValidationException Aliases must refer to keys. Not aliases"},
		{"PutKeyPolicy", `{"KeyId":"k","PolicyName":"a b","Policy":"{}"}`, one + `'a b' at 'policyName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w]+`},
		{"PutKeyPolicy", `{"KeyId":"k","Policy":"漢"}`, one + `'漢' at 'policy' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`},
		{"GetKeyPolicy", `{"KeyId":"k","PolicyName":"other"}`, "NotFoundException No such policy exists"},
		{"TagResource", `{"KeyId":"k"}`, one + "null at 'tags' failed to satisfy constraint: Member must not be null"},
		{"TagResource", `{"KeyId":"k","Tags":[{"TagValue":"v"}]}`, one + "null at 'tags.1.member.tagKey' failed to satisfy constraint: Member must not be null"},
		{"TagResource", `{"KeyId":"k","Tags":[{"TagKey":"a","TagValue":"v"},{"TagKey":"` + long[:129] + `","TagValue":"v"}]}`, one + "'" + long[:129] + "' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"UntagResource", `{"KeyId":"k","TagKeys":["a",""]}`, one + "'[a, ]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"},
		{"UpdateKeyDescription", `{"KeyId":"k"}`, one + "null at 'description' failed to satisfy constraint: Member must not be null"},

		// Markers.
		{"ListKeys", `{"Marker":"x"}`, "InvalidMarkerException The marker is not of this listing."},
		{"ListKeys", `{"Marker":"` + base64.RawURLEncoding.EncodeToString([]byte("1:ListAliases:x")) + `"}`, "InvalidMarkerException The marker is not of this listing."},
		{"ListKeyPolicies", `{"KeyId":"k","Marker":"x"}`, "InvalidMarkerException The marker is not of this listing."},

		// Key ids.
		{"EnableKeyRotation", `{"KeyId":"alias/x"}`, "NotFoundException Invalid keyId 'alias/x'"},
		{"PutKeyPolicy", `{"KeyId":"alias/x","Policy":"{}"}`, "NotFoundException Invalid keyId 'alias/x'"},
		{"ScheduleKeyDeletion", `{"KeyId":"arn:aws:kms:us-east-1:123456789012:alias/x"}`, "NotFoundException Invalid keyId 'arn:aws:kms:us-east-1:123456789012:alias/x'"},
		{"DescribeKey", `{"KeyId":"arn:aws:s3:::bucket"}`, "NotFoundException Invalid keyId 'arn:aws:s3:::bucket'"},
		{"DescribeKey", `{"KeyId":"arn:aws:iam::123456789012:user/x"}`, "NotFoundException Invalid keyId 'arn:aws:iam::123456789012:user/x'"},

		// Imports.
		{"GetParametersForImport", `{"KeyId":"k"}`, "ValidationException 2 validation errors detected: Value null at 'wrappingAlgorithm' failed to satisfy constraint: Member must not be null; Value null at 'wrappingKeySpec' failed to satisfy constraint: Member must not be null"},
		{"GetParametersForImport", `{"KeyId":"k","WrappingAlgorithm":"RSA","WrappingKeySpec":"RSA_2048"}`, one + "'RSA' at 'wrappingAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, RSA_AES_KEY_WRAP_SHA_1, RSA_AES_KEY_WRAP_SHA_256, SM2PKE]"},
		{"GetParametersForImport", `{"KeyId":"k","WrappingAlgorithm":"RSAES_OAEP_SHA_1","WrappingKeySpec":"RSA_1024"}`, one + "'RSA_1024' at 'wrappingKeySpec' failed to satisfy constraint: Member must satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, SM2]"},
		{"GetParametersForImport", `{"KeyId":"k","WrappingAlgorithm":"SM2PKE","WrappingKeySpec":"SM2"}`, "UnsupportedOperationException Holdfast does not support the WrappingAlgorithm SM2PKE."},
		{"GetParametersForImport", `{"KeyId":"k","WrappingAlgorithm":"RSAES_OAEP_SHA_1","WrappingKeySpec":"SM2"}`, "UnsupportedOperationException Holdfast does not support the WrappingKeySpec SM2."},
		{"GetParametersForImport", `{"KeyId":"alias/x","WrappingAlgorithm":"RSAES_OAEP_SHA_1","WrappingKeySpec":"RSA_2048"}`, "NotFoundException Invalid keyId 'alias/x'"},
		{"ImportKeyMaterial", `{"KeyId":"k","EncryptedKeyMaterial":"aGk="}`, one + "null at 'importToken' failed to satisfy constraint: Member must not be null"},
		{"ImportKeyMaterial", `{"KeyId":"k","ImportToken":"aGk=","EncryptedKeyMaterial":"` + blob(6145) + `"}`, one + "at 'encryptedKeyMaterial' failed to satisfy constraint: Member must have length less than or equal to 6144"},
		{"ImportKeyMaterial", importing(`"ExpirationModel":"NEVER"`), one + "'NEVER' at 'expirationModel' failed to satisfy constraint: Member must satisfy enum value set: [KEY_MATERIAL_EXPIRES, KEY_MATERIAL_DOES_NOT_EXPIRE]"},
		{"ImportKeyMaterial", importing(`"ImportType":"OLD"`), one + "'OLD' at 'importType' failed to satisfy constraint: Member must satisfy enum value set: [NEW_KEY_MATERIAL, EXISTING_KEY_MATERIAL]"},
		{"ImportKeyMaterial", importing(`"KeyMaterialDescription":"a,b"`), one + `'a,b' at 'keyMaterialDescription' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_\s.-]+$`},
		{"ImportKeyMaterial", importing(`"KeyMaterialDescription":"` + long[:257] + `"`), one + "'" + long[:257] + "' at 'keyMaterialDescription' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{"ImportKeyMaterial", importing(`"KeyMaterialId":"` + strings.Repeat("A", 64) + `"`), one + "'" + strings.Repeat("A", 64) + "' at 'keyMaterialId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-f0-9]+$"},
		{"ImportKeyMaterial", importing(`"ValidTo":"tomorrow"`), "SerializationException STRING_VALUE can not be converted to a Timestamp"},
		{"ImportKeyMaterial", importing(`"ImportType":"NEW_KEY_MATERIAL"`), "ValidationException A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
		{"ImportKeyMaterial", importing(`"ExpirationModel":"KEY_MATERIAL_EXPIRES"`), "ValidationException A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
		{"ImportKeyMaterial", importing(`"ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE","ValidTo":1795363200`), "ValidationException A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"},
		{"ImportKeyMaterial", importing(`"ValidTo":1e9`), "ValidationException The validTo date must be in the future"},
		{"ImportKeyMaterial", importing(`"ValidTo":4e9`), "ValidationException The validTo date must be within 365 days"},
		{"ImportKeyMaterial", importing(`"ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE","ImportType":"NEW_KEY_MATERIAL","KeyMaterialId":"` + strings.Repeat("a", 64) + `"`), "ValidationException You cannot specify a KeyMaterialId with the ImportType NEW_KEY_MATERIAL"},
		{"DeleteImportedKeyMaterial", `{"KeyId":"k","KeyMaterialId":"aa"}`, one + "'aa' at 'keyMaterialId' failed to satisfy constraint: Member must have length greater than or equal to 64"},

		// What AWS has and Holdfast does not is refused by name.
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","GrantTokens":["t"]}`, "UnsupportedOperationException Holdfast does not support the parameter GrantTokens."},
		{"Decrypt", `{"CiphertextBlob":"aGk=","Recipient":{}}`, "UnsupportedOperationException Holdfast does not support the parameter Recipient."},
		{"Decrypt", `{"CiphertextBlob":"aGk=","DryRunModifiers":["IGNORE_CIPHERTEXT"]}`, "UnsupportedOperationException Holdfast does not support the parameter DryRunModifiers."},
		{"CreateKey", `{"MultiRegion":true}`, "UnsupportedOperationException Holdfast does not support the parameter MultiRegion."},
		{"CreateKey", `{"XksKeyId":"x"}`, "UnsupportedOperationException Holdfast does not support the parameter XksKeyId."},
		{"CreateKey", `{"Origin":"EXTERNAL_KEY_STORE"}`, "UnsupportedOperationException Holdfast does not support the Origin EXTERNAL_KEY_STORE."},
		{"CreateKey", `{"KeySpec":"SM2"}`, "UnsupportedOperationException Holdfast does not support the KeySpec SM2."},
		{"CreateKey", `{"KeySpec":"ECC_NIST_P256","KeyUsage":"ENCAPSULATE_DECAPSULATE"}`, "ValidationException KeyUsage ENCAPSULATE_DECAPSULATE is not compatible with KeySpec ECC_NIST_P256"},
		{"DeriveSharedSecret", `{"KeyId":"k","KeyAgreementAlgorithm":"ECDH","PublicKey":"aGk=","Recipient":{}}`, "UnsupportedOperationException Holdfast does not support the parameter Recipient."},
		{"DeriveSharedSecret", `{"KeyId":"k","KeyAgreementAlgorithm":"ECDH","PublicKey":"aGk=","GrantTokens":["t"]}`, "UnsupportedOperationException Holdfast does not support the parameter GrantTokens."},
		{"DeriveSharedSecret", `{"KeyId":"k","KeyAgreementAlgorithm":"X25519","PublicKey":"aGk="}`, one + "'X25519' at 'keyAgreementAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [ECDH]"},
		{"DeriveSharedSecret", `{"KeyId":"k","KeyAgreementAlgorithm":"ECDH","PublicKey":""}`, one + "at 'publicKey' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"DeriveSharedSecret", `{"KeyId":"k","KeyAgreementAlgorithm":"ECDH","PublicKey":"` + blob(8193) + `"}`, one + "at 'publicKey' failed to satisfy constraint: Member must have length less than or equal to 8192"},
		{"CreateKey", `{"KeySpec":"RSA_2048","CustomerMasterKeySpec":"RSA_2048"}`, "ValidationException You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."},
		{"Encrypt", `{"KeyId":"k","Plaintext":"aGk=","EncryptionAlgorithm":"SM2PKE"}`, "UnsupportedOperationException Holdfast does not support the algorithm SM2PKE."},
		{"Sign", `{"KeyId":"k","Message":"aGk=","SigningAlgorithm":"SM2DSA"}`, "UnsupportedOperationException Holdfast does not support the algorithm SM2DSA."},
		{"CreateGrant", `{}`, "UnsupportedOperationException The operation CreateGrant is not supported by Holdfast."},
		{"DropTables", `{}`, "UnknownOperationException The requested operation is not recognized by the service."},
		{"", `{}`, "UnknownOperationException The requested operation is not recognized by the service."},
		{"PutKeyPolicy", `{"KeyId":"k","Policy":"` + strings.Repeat("x", 300<<10) + `"}`, "RequestEntityTooLargeException The request must be at most 262144 bytes."},
	})
}

// TestGoodInput has requests that are right, though one might doubt it.
func TestGoodInput(t *testing.T) {
	tests := []struct{ operation, body, asked string }{
		{"ListKeys", ``, "ListKeys ListKeys {After: Limit:100}"},
		{"ListKeys", `{"Marker":null,"Limit":1000}`, "ListKeys ListKeys {After: Limit:1000}"},
		{"ListKeys", `{"Marker":"` + base64.RawURLEncoding.EncodeToString([]byte("1:ListKeys:x")) + `"}`, "ListKeys ListKeys {After:x Limit:100}"},
		{"ListAliases", `{}`, "ListAliases ListAliases {Realm: Region: ID: Alias:} {After: Limit:50}"},
		{"ListResourceTags", `{"KeyId":"k"}`, "ListResourceTags ListTags {Realm: Region: ID:k Alias:} {After: Limit:50}"},
		{"DescribeKey", `{"KeyId":"k","GrantTokens":[],"Future":[{"a":[1.5e-7,true]}]}`, "DescribeKey DescribeKey {Realm: Region: ID:k Alias:}"},
		{"DescribeKey", `{"KeyId":"arn:aws:kms:eu-west-1:210987654321:key/k"}`, "DescribeKey DescribeKey {Realm:210987654321 Region:eu-west-1 ID:k Alias:}"},
		{"CreateKey", `{"MultiRegion":false}`, "CreateKey CreateKey {Spec:aes-256 Usage: Description: Policy:<nil> Tags:[] BypassLockout:false Exportable:false Alias: Engine: Store: External:false}"},
		{"CreateKey", `{"CustomerMasterKeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}`, "CreateKey CreateKey {Spec:hmac-256 Usage:mac Description: Policy:<nil> Tags:[] BypassLockout:false Exportable:false Alias: Engine: Store: External:false}"},
		{"CreateKey", `{"KeySpec":"ECC_NIST_P256","KeyUsage":"KEY_AGREEMENT"}`, "CreateKey CreateKey {Spec:p-256 Usage:key-agreement Description: Policy:<nil> Tags:[] BypassLockout:false Exportable:false Alias: Engine: Store: External:false}"},
		{"DeriveSharedSecret", derive, `DeriveSharedSecret DeriveSharedSecret {{"" "" "k" ""} "ecdh" "hi"}`},
		{"DeriveSharedSecret", strings.Replace(derive, "{", `{"DryRun":true,`, 1), `DeriveSharedSecret DeriveSharedSecret {{"" "" "k" ""} "ecdh" "hi"} (dry run)`},
		{"CreateKey", `{"Origin":"EXTERNAL"}`, "CreateKey CreateKey {Spec:aes-256 Usage: Description: Policy:<nil> Tags:[] BypassLockout:false Exportable:false Alias: Engine: Store: External:true}"},
		{"ImportKeyMaterial", importing(`"ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"`), `ImportKeyMaterial ImportMaterial {Realm: Region: ID:k Alias:} "hi" "ho" until 0001-01-01 00:00:00 +0000 UTC false "" ""`},
		{"ImportKeyMaterial", importing(`"ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE","ImportType":"EXISTING_KEY_MATERIAL","KeyMaterialId":"` + strings.Repeat("a", 64) + `","KeyMaterialDescription":"a\tb"`), `ImportKeyMaterial ImportMaterial {Realm: Region: ID:k Alias:} "hi" "ho" until 0001-01-01 00:00:00 +0000 UTC false "` + strings.Repeat("a", 64) + `" "a\tb"`},
		{"DeleteImportedKeyMaterial", `{"KeyId":"k"}`, "DeleteImportedKeyMaterial DeleteMaterial {Realm: Region: ID:k Alias:} "},
		{"ScheduleKeyDeletion", `{"KeyId":"k"}`, "ScheduleKeyDeletion ScheduleDeletion {Realm: Region: ID:k Alias:} 30"},
		{"GenerateDataKey", `{"KeyId":"k","KeySpec":"AES_128"}`, "GenerateDataKey GenerateDataKey {Key:{Realm: Region: ID:k Alias:} Bytes:16 Context:[] WithoutPlaintext:false}"},
		{"GenerateDataKeyWithoutPlaintext", `{"KeyId":"k","NumberOfBytes":1024,"DryRun":true}`, "GenerateDataKeyWithoutPlaintext GenerateDataKey {Key:{Realm: Region: ID:k Alias:} Bytes:1024 Context:[] WithoutPlaintext:true} (dry run)"},
		{"UpdateKeyDescription", `{"KeyId":"k","Description":"\u00e9\ud83d\ude00"}`, `UpdateKeyDescription UpdateDescription {Realm: Region: ID:k Alias:} "é😀"`},
	}
	for _, test := range tests {
		d := newDoor()
		a := send(t, d, test.operation, test.body)
		if a.Status != http.StatusOK || len(d.Log) != 1 || d.Log[0] != test.asked || d.Refused != nil {
			t.Errorf("%s %s: %d %s, asked %q, want %q", test.operation, test.body, a.Status, a.Body, d.Log, test.asked)
		}
	}
	for _, n := range []int{1, 4096} {
		d := newDoor()
		if a := send(t, d, "Encrypt", `{"KeyId":"k","Plaintext":"`+blob(n)+`"}`); a.Status != http.StatusOK {
			t.Errorf("%d bytes: %s", n, a.Body)
		}
	}
}

// FuzzHandler holds that any body to any operation is answered with 200 or
// 400 and JSON, and recorded once.
func FuzzHandler(f *testing.F) {
	f.Add("Encrypt", `{"KeyId":"k","Plaintext":"`)
	f.Add("TagResource", `{"KeyId":"k","Tags":[null,{"TagKey":null}]}`)
	awstest.FuzzHandler(f, fake)
}

// TestEveryOperationRefusesNonsense sends each operation bodies of every
// wrong shape.
func TestEveryOperationRefusesNonsense(t *testing.T) {
	bodies := []string{`{`, `[]`, `0`, `"`, `{"KeyId":{}}`, `{"KeyId":1}`, `{"KeyId":[]}`, "\x00", `{"":""`, `{"KeyId":"a","KeyId":"b"}`}
	for _, o := range awskms.Operations() {
		for _, body := range bodies {
			d := newDoor()
			a := send(t, d, o.Name, body)
			takes := strings.Contains(body, `"KeyId":`) && !strings.Contains(body, `"b"`) // some have no KeyId
			if a.Status != http.StatusBadRequest && !takes {
				t.Errorf("%s %q: %d %s", o.Name, body, a.Status, a.Body)
			}
			if len(d.Log)+len(d.Refused) != 1 {
				t.Errorf("%s %q: asked %v, refused %v", o.Name, body, d.Log, d.Refused)
			}
		}
	}
}

func BenchmarkEncrypt4K(b *testing.B) {
	d := newDoor()
	service := awskms.New(&quiet{door: d, ciphertext: make([]byte, 4096+77)}, newStores(d))
	h := front.New(front.Config{Services: []front.Service{service}, Directory: awstest.NewDirectory(), Door: d})
	body := fmt.Sprintf(`{"KeyId":"%s","Plaintext":"%s","EncryptionContext":{"a":"b"}}`, keyARN, blob(4096))
	r := awstest.NewRequest(b, service, "Encrypt", body)
	source := strings.NewReader(body)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(body)
		r.Body = &closer{source}
		clear(w.header)
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

// quiet is a door that costs nothing.
type quiet struct {
	*door
	ciphertext []byte
}

func (q *quiet) Encrypt(context.Context, *key.Call, *kms.EncryptRequest) (*kms.EncryptResult, error) {
	return &kms.EncryptResult{Key: q.key, Ciphertext: q.ciphertext}, nil
}

type closer struct{ *strings.Reader }

func (*closer) Close() error { return nil }

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
