# A symmetric key's life: encrypt a small file, a large one with a data key,
# disable, delete, think again, rotate.
key=$(aws kms create-key --description 'keeps files' --query KeyMetadata.KeyId --output text)
arn=$(aws kms describe-key --key-id "$key" --query KeyMetadata.Arn --output text)
cleanup "$key"
aws kms create-alias --alias-name "alias/$run-files" --target-key-id "$key"
contains "$key" "$(aws kms list-keys --query 'Keys[].KeyId' --output text)"
contains "alias/$run-files" "$(aws kms list-aliases --query 'Aliases[].AliasName' --output text)"
aws kms update-key-description --key-id "$key" --description 'keeps small files'
contains 'keeps small files' "$(aws kms describe-key --key-id "$key")"

# A file of less than 4 KB goes straight through; decrypt names no key.
head -c 3900 /dev/urandom >small
aws kms encrypt --key-id "alias/$run-files" --plaintext fileb://small --query CiphertextBlob --output text | base64 -d >small.enc
aws kms decrypt --ciphertext-blob fileb://small.enc --query Plaintext --output text | base64 -d | cmp - small
head -c 4097 /dev/urandom >big
fails "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096" \
	aws kms encrypt --key-id "$key" --plaintext fileb://big

# A large file: openssl encrypts it with a data key, of which only the
# encrypted form is kept; later the data key comes back from that.
head -c 300000 /dev/urandom >large
aws kms generate-data-key --key-id "alias/$run-files" --key-spec AES_256 >data-key.json
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$@"; }
field data-key.json CiphertextBlob | base64 -d >data-key.enc
field data-key.json Plaintext | base64 -d >data-key
openssl enc -aes-256-cbc -pbkdf2 -in large -out large.enc -pass file:<(base64 <data-key)
shred -u data-key data-key.json
aws kms decrypt --ciphertext-blob fileb://data-key.enc --query Plaintext --output text | base64 -d >data-key
openssl enc -d -aes-256-cbc -pbkdf2 -in large.enc -pass file:<(base64 <data-key) | cmp - large
aws kms generate-data-key-without-plaintext --key-id "$key" --key-spec AES_128 --query CiphertextBlob --output text | base64 -d >other.enc
equals 16 "$(aws kms decrypt --ciphertext-blob fileb://other.enc --query Plaintext --output text | base64 -d | wc -c)"
equals 24 "$(aws kms generate-random --number-of-bytes 24 --query Plaintext --output text | base64 -d | wc -c)"

# The context must be the same, in any order, to decrypt and to re-encrypt.
aws kms encrypt --key-id "$key" --plaintext fileb://small --encryption-context unit=a,shelf=7 --query CiphertextBlob --output text | base64 -d >context.enc
aws kms decrypt --ciphertext-blob fileb://context.enc --encryption-context shelf=7,unit=a --query Plaintext --output text | base64 -d | cmp - small
fails InvalidCiphertextException aws kms decrypt --ciphertext-blob fileb://context.enc --encryption-context unit=a
aws kms re-encrypt --ciphertext-blob fileb://context.enc --source-encryption-context unit=a,shelf=7 \
	--destination-key-id "$key" --query CiphertextBlob --output text | base64 -d >moved.enc
aws kms decrypt --ciphertext-blob fileb://moved.enc --query Plaintext --output text | base64 -d | cmp - small

# Disabled: neither encrypts nor decrypts, until it is enabled again.
aws kms disable-key --key-id "$key"
fails "(DisabledException) when calling the Encrypt operation: $arn is disabled." aws kms encrypt --key-id "$key" --plaintext fileb://small
fails "(DisabledException) when calling the Decrypt operation: $arn is disabled." aws kms decrypt --ciphertext-blob fileb://small.enc
aws kms enable-key --key-id "$key"
aws kms decrypt --ciphertext-blob fileb://small.enc --query Plaintext --output text | base64 -d | cmp - small

# Pending deletion, cancelled: the key comes back disabled.
equals PendingDeletion "$(aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 7 --query KeyState --output text)"
fails "(KMSInvalidStateException) when calling the Encrypt operation: $arn is pending deletion." aws kms encrypt --key-id "$key" --plaintext fileb://small
fails "(KMSInvalidStateException) when calling the Decrypt operation: $arn is pending deletion." aws kms decrypt --ciphertext-blob fileb://small.enc
equals "$arn" "$(aws kms cancel-key-deletion --key-id "$key" --query KeyId --output text)"
equals Disabled "$(aws kms describe-key --key-id "$key" --query KeyMetadata.KeyState --output text)"
aws kms enable-key --key-id "$key"

# Rotation changes the material, never the name; old ciphertexts still open.
aws kms enable-key-rotation --key-id "$key" --rotation-period-in-days 180
equals $'True\t180' "$(aws kms get-key-rotation-status --key-id "$key" --query '[KeyRotationEnabled,RotationPeriodInDays]' --output text)"
equals "$arn" "$(aws kms rotate-key-on-demand --key-id "$key" --query KeyId --output text)"
equals ON_DEMAND "$(aws kms list-key-rotations --key-id "$key" --query 'Rotations[].RotationType' --output text)"
aws kms decrypt --ciphertext-blob fileb://small.enc --query Plaintext --output text | base64 -d | cmp - small
aws kms disable-key-rotation --key-id "$key"
equals False "$(aws kms get-key-rotation-status --key-id "$key" --query KeyRotationEnabled --output text)"
aws kms delete-alias --alias-name "alias/$run-files"
fails NotFoundException aws kms describe-key --key-id "alias/$run-files"

# Message authentication codes.
mac=$(aws kms create-key --key-usage GENERATE_VERIFY_MAC --key-spec HMAC_256 --query KeyMetadata.KeyId --output text)
cleanup "$mac"
aws kms generate-mac --key-id "$mac" --message fileb://small --mac-algorithm HMAC_SHA_256 --query Mac --output text | base64 -d >small.mac
equals 32 "$(wc -c <small.mac)"
equals True "$(aws kms verify-mac --key-id "$mac" --message fileb://small --mac-algorithm HMAC_SHA_256 --mac fileb://small.mac --query MacValid --output text)"
fails KMSInvalidMacException aws kms verify-mac --key-id "$mac" --message fileb://small.enc --mac-algorithm HMAC_SHA_256 --mac fileb://small.mac
