# A signing key from first to last, as someone who runs a PKI does it by hand:
# made with tags, named, given a policy from a file, used, checked with openssl.
key=$(aws kms create-key --description 'signs certificates' --key-usage SIGN_VERIFY --key-spec RSA_2048 \
	--tags TagKey=Team,TagValue=pki TagKey=Stage,TagValue=test --query KeyMetadata.KeyId --output text)
cleanup "$key"
aws kms create-alias --alias-name "alias/$run-signer" --target-key-id "$key"

account=$(aws sts get-caller-identity --query Account --output text)
cat >key-policy.json <<POLICY
{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Identity policies decide", "Effect": "Allow",
     "Principal": {"AWS": "arn:aws:iam::$account:root"}, "Action": "kms:*", "Resource": "*"},
    {"Sid": "Nothing leaves", "Effect": "Deny", "Principal": "*", "Action": ["kms:Export*"], "Resource": "*"}
  ]
}
POLICY
aws kms put-key-policy --key-id "$key" --policy-name default --policy file://key-policy.json
equals "$(cat key-policy.json)" "$(aws kms get-key-policy --key-id "$key" --policy-name default --query Policy --output text)"
equals default "$(aws kms list-key-policies --key-id "$key" --query PolicyNames --output text)"
contains 'signs certificates' "$(aws kms describe-key --key-id "alias/$run-signer" --output json)"
equals $'Stage\ttest\nTeam\tpki' "$(aws kms list-resource-tags --key-id "$key" --query 'Tags[].[TagKey,TagValue]' --output text | sort)"
aws kms tag-resource --key-id "$key" --tags TagKey=Owner,TagValue=anna
aws kms untag-resource --key-id "$key" --tag-keys Stage
equals $'Owner\nTeam' "$(aws kms list-resource-tags --key-id "$key" --query 'Tags[].[TagKey]' --output text | sort)"

aws kms get-public-key --key-id "alias/$run-signer" --query PublicKey --output text | base64 -d >public.der
printf 'to be signed' >message
aws kms sign --key-id "alias/$run-signer" --message fileb://message --message-type RAW \
	--signing-algorithm RSASSA_PKCS1_V1_5_SHA_256 --query Signature --output text | base64 -d >raw.sig
openssl dgst -sha256 -verify public.der -keyform DER -signature raw.sig message
aws kms verify --key-id "$key" --message fileb://message --message-type RAW \
	--signing-algorithm RSASSA_PKCS1_V1_5_SHA_256 --signature fileb://raw.sig >verified.json
contains '"SignatureValid": true' "$(cat verified.json)"

openssl dgst -sha256 -binary message >digest
aws kms sign --key-id "$key" --message fileb://digest --message-type DIGEST \
	--signing-algorithm RSASSA_PKCS1_V1_5_SHA_256 --query Signature --output text | base64 -d >digest.sig
cmp raw.sig digest.sig # PKCS #1 v1.5 is deterministic: RAW and DIGEST agree

printf 'forged' >forged
fails KMSInvalidSignatureException aws kms verify --key-id "$key" --message fileb://forged --message-type RAW \
	--signing-algorithm RSASSA_PKCS1_V1_5_SHA_256 --signature fileb://raw.sig

# The same on a curve, by alias, with a digest made elsewhere.
curve=$(aws kms create-key --key-usage SIGN_VERIFY --key-spec ECC_NIST_P384 --query KeyMetadata.KeyId --output text)
cleanup "$curve"
aws kms update-alias --alias-name "alias/$run-signer" --target-key-id "$curve"
openssl dgst -sha384 -binary message >digest384
aws kms sign --key-id "alias/$run-signer" --message fileb://digest384 --message-type DIGEST \
	--signing-algorithm ECDSA_SHA_384 --query Signature --output text | base64 -d >curve.sig
aws kms get-public-key --key-id "$curve" --query PublicKey --output text | base64 -d >curve.der
openssl dgst -sha384 -verify curve.der -keyform DER -signature curve.sig message
