# Keys of one's own making: a symmetric key and an RSA key come in, wrapped by
# openssl, step by step as AWS's guide has it ("Importing key material").
# Whatever is secret is in a file *.secret.

# create SPEC USAGE: prints the id of a key without material.
create() {
	aws kms create-key --origin EXTERNAL --key-spec "$1" --key-usage "$2" --query KeyMetadata.KeyId --output text
}

# parameters KEY ALGORITHM SPEC: writes the public key and the token.
parameters() {
	aws kms get-parameters-for-import --key-id "$1" --wrapping-algorithm "$2" --wrapping-key-spec "$3" --output json >parameters.json
	python3 - <<-'EOF'
		import base64, json
		p = json.load(open("parameters.json"))
		open("public.der", "wb").write(base64.b64decode(p["PublicKey"]))
		open("token.bin", "wb").write(base64.b64decode(p["ImportToken"]))
	EOF
}

state() { aws kms describe-key --key-id "$1" --query KeyMetadata.KeyState --output text; }

# A symmetric key, for a limited time.
openssl rand -out symmetric.secret 32
key=$(create SYMMETRIC_DEFAULT ENCRYPT_DECRYPT)
cleanup "$key"
equals PendingImport "$(state "$key")"
parameters "$key" RSAES_OAEP_SHA_256 RSA_3072
openssl pkeyutl -encrypt -in symmetric.secret -out wrapped.bin -inkey public.der -keyform DER -pubin \
	-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
aws kms import-key-material --key-id "$key" --encrypted-key-material fileb://wrapped.bin --import-token fileb://token.bin \
	--expiration-model KEY_MATERIAL_EXPIRES --valid-to "$(date -u -d '+30 days' +%Y-%m-%dT%H:%M:%SZ)" >/dev/null
equals Enabled "$(state "$key")"
equals KEY_MATERIAL_EXPIRES "$(aws kms describe-key --key-id "$key" --query KeyMetadata.ExpirationModel --output text)"
printf 'a secret' >plain
aws kms encrypt --key-id "$key" --plaintext fileb://plain --query CiphertextBlob --output text | base64 -d >sealed
aws kms decrypt --ciphertext-blob fileb://sealed --query Plaintext --output text | base64 -d | cmp - plain
aws kms delete-imported-key-material --key-id "$key" >/dev/null
equals PendingImport "$(state "$key")"
fails 'is pending import' aws kms decrypt --ciphertext-blob fileb://sealed
aws kms import-key-material --key-id "$key" --encrypted-key-material fileb://wrapped.bin --import-token fileb://token.bin \
	--expiration-model KEY_MATERIAL_DOES_NOT_EXPIRE >/dev/null
aws kms decrypt --ciphertext-blob fileb://sealed --query Plaintext --output text | base64 -d | cmp - plain

# A key pair, by an AES key in between.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem
openssl pkcs8 -topk8 -nocrypt -in rsa.pem -outform DER -out rsa.secret
key=$(create RSA_2048 SIGN_VERIFY)
cleanup "$key"
parameters "$key" RSA_AES_KEY_WRAP_SHA_256 RSA_4096
openssl rand -out aes.bin 32
openssl enc -id-aes256-wrap-pad -iv A65959A6 -K "$(od -An -tx1 -v aes.bin | tr -d ' \n')" -in rsa.secret -out wrapped.bin
openssl pkeyutl -encrypt -in aes.bin -out aes.wrapped -inkey public.der -keyform DER -pubin \
	-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
cat aes.wrapped wrapped.bin >both.bin
aws kms import-key-material --key-id "$key" --encrypted-key-material fileb://both.bin --import-token fileb://token.bin \
	--expiration-model KEY_MATERIAL_DOES_NOT_EXPIRE >/dev/null
aws kms sign --key-id "$key" --message fileb://plain --signing-algorithm RSASSA_PKCS1_V1_5_SHA_256 --query Signature --output text | base64 -d >ours
openssl dgst -sha256 -sign rsa.secret -keyform DER -out theirs plain
cmp ours theirs
