# A secret that only two parties know: a key that stays in the service, and one
# of openssl's. What both make of it is a key by a key derivation function.
key=$(aws kms create-key --key-spec ECC_NIST_P256 --key-usage KEY_AGREEMENT --query KeyMetadata.KeyId --output text)
cleanup "$key"
equals ECDH "$(aws kms describe-key --key-id "$key" --query KeyMetadata.KeyAgreementAlgorithms --output text)"
aws kms get-public-key --key-id "$key" --query PublicKey --output text | base64 -d >kms.der

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out mine.pem
openssl pkey -in mine.pem -pubout -outform DER -out mine.der
openssl pkeyutl -derive -inkey mine.pem -peerkey kms.der -peerform DER -out want
aws kms derive-shared-secret --key-id "$key" --key-agreement-algorithm ECDH --public-key fileb://mine.der \
	--query SharedSecret --output text | base64 -d >got
cmp want got

# A key on another curve, and a key that signs.
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out other.pem
openssl pkey -in other.pem -pubout -outform DER -out other.der
fails ValidationException aws kms derive-shared-secret --key-id "$key" --key-agreement-algorithm ECDH --public-key fileb://other.der
signs=$(aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId --output text)
cleanup "$signs"
fails 'key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret.' \
	aws kms derive-shared-secret --key-id "$signs" --key-agreement-algorithm ECDH --public-key fileb://mine.der
