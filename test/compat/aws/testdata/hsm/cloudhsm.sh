# Clusters of HSMs and a custom key store, as the published guides have it: a
# cluster, an HSM, the owner's certificates, a key store, a key in it. The test
# sets $module and $pin beside what prelude.bash needs; the pool has two SoftHSM
# tokens, pool-a and pool-b.
export AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1

# --- "Stvaranje CloudHSM Clustera"
cluster=$(aws cloudhsmv2 create-cluster \
    --hsm-type hsm1.medium \
    --subnet-ids subnet-12345678 subnet-87654321 \
    --query Cluster.ClusterId --output text)
describe() {
	aws cloudhsmv2 describe-clusters --filters clusterIds="$cluster" --query "Clusters[0].$1" --output text
}
equals UNINITIALIZED "$(describe State)"
equals subnet-87654321 "$(describe 'SubnetMapping."eu-central-1b"')"
equals None "$(describe Certificates.ClusterCsr)"

# "Dodavanje HSM-a u Cluster"
hsm=$(aws cloudhsmv2 create-hsm \
    --cluster-id "$cluster" \
    --availability-zone eu-central-1a \
    --query Hsm.HsmId --output text)
equals ACTIVE "$(describe 'Hsms[0].State')"
fails CloudHsmInvalidRequestException aws cloudhsmv2 create-hsm --cluster-id "$cluster" --availability-zone eu-central-1c

# --- The cluster's certificate, as the AWS CloudHSM User Guide makes it.
describe Certificates.ClusterCsr >cluster.csr
openssl req -in cluster.csr -noout -verify
openssl req -new -x509 -days 3652 -nodes -newkey rsa:2048 -keyout customerCA.key -out customerCA.crt -subj '/CN=Customer CA' 2>/dev/null
openssl x509 -req -days 3652 -in cluster.csr -CA customerCA.crt -CAkey customerCA.key -CAcreateserial -out cluster.crt 2>/dev/null
openssl req -new -x509 -days 10 -nodes -newkey rsa:2048 -keyout other.key -out other.crt -subj '/CN=Customer CA' 2>/dev/null
fails 'not issued by the trust anchor' aws cloudhsmv2 initialize-cluster --cluster-id "$cluster" \
	--signed-cert file://cluster.crt --trust-anchor file://other.crt
equals ACTIVE "$(aws cloudhsmv2 initialize-cluster --cluster-id "$cluster" \
	--signed-cert file://cluster.crt --trust-anchor file://customerCA.crt --query State --output text)"
fails 'initialised already' aws cloudhsmv2 initialize-cluster --cluster-id "$cluster" \
	--signed-cert file://cluster.crt --trust-anchor file://customerCA.crt
describe Certificates.ClusterCertificate >got.crt
openssl verify -CAfile customerCA.crt got.crt >/dev/null
equals 1 "$(aws cloudhsmv2 describe-backups --filters clusterIds="$cluster" --query 'length(Backups)')"

# --- "Generiranje ključa u CloudHSM": on the same token, by another program.
generate() {
	SOFTHSM2_CONF=$softhsm pkcs11-tool --module "$module" --token-label pool-a \
    --login --pin "$pin" \
    --keypairgen --key-type EC:secp384r1 \
    --label "ca-signing-key" \
    --id 01
}
generate >/dev/null 2>&1

# --- "Stvaranje Custom Key Store"
create_store() {
	aws kms create-custom-key-store \
    --custom-key-store-name cloudhsm-keystore \
    --cloud-hsm-cluster-id "$cluster" \
    --trust-anchor-certificate file://"$1" \
    --key-store-password "$2" \
    --query CustomKeyStoreId --output text
}
fails IncorrectTrustAnchorException create_store other.crt "$pin"
store=$(create_store customerCA.crt wrong-password)
fails CloudHsmClusterInUseException create_store customerCA.crt "$pin"
fails CloudHsmClusterNotFoundException aws kms create-custom-key-store --custom-key-store-name x --cloud-hsm-cluster-id cluster-aaaaaaaaaaa \
	--trust-anchor-certificate file://customerCA.crt --key-store-password "$pin"
connection() {
	aws kms describe-custom-key-stores --custom-key-store-id "$store" --query "CustomKeyStores[0].$1" --output text
}
settled() {
	local n
	for n in {1..100}; do
		[[ $(connection ConnectionState) != CONNECTING ]] && return
		sleep 0.1
	done
	return 1
}
equals DISCONNECTED "$(connection ConnectionState)"
create_key() {
	aws kms create-key \
    --origin AWS_CLOUDHSM \
    --custom-key-store-id "$store" \
    --key-spec "$1" \
    --key-usage "$2" \
    --query KeyMetadata.KeyId --output text
}
fails CustomKeyStoreInvalidStateException create_key ECC_NIST_P384 SIGN_VERIFY

# "Povezivanje Key Store": first with a password that the tokens refuse.
aws kms connect-custom-key-store --custom-key-store-id "$store"
settled
equals FAILED "$(connection ConnectionState)"
equals INVALID_CREDENTIALS "$(connection ConnectionErrorCode)"
fails CustomKeyStoreInvalidStateException aws kms connect-custom-key-store --custom-key-store-id "$store"
fails CustomKeyStoreInvalidStateException aws kms update-custom-key-store --custom-key-store-id "$store" --key-store-password "$pin"
aws kms disconnect-custom-key-store --custom-key-store-id "$store"
aws kms update-custom-key-store --custom-key-store-id "$store" --key-store-password "$pin"
aws kms connect-custom-key-store \
    --custom-key-store-id "$store"
settled
equals CONNECTED "$(connection ConnectionState)"
equals "$(cat customerCA.crt)" "$(connection TrustAnchorCertificate)"

# --- "Stvaranje ključa u Custom Key Store", and what it is good for.
key=$(create_key ECC_NIST_P384 SIGN_VERIFY)
metadata() { aws kms describe-key --key-id "$key" --query "KeyMetadata.$1" --output text; }
equals AWS_CLOUDHSM "$(metadata Origin)"
equals "$store" "$(metadata CustomKeyStoreId)"
equals "$cluster" "$(metadata CloudHsmClusterId)"
printf 'Sadržaj dokumenta' >message
openssl dgst -sha384 -binary message >digest
sign() {
	aws kms sign --key-id "$key" --message fileb://digest --message-type DIGEST --signing-algorithm ECDSA_SHA_384 \
		--query Signature --output text
}
sign | base64 -d >signature
aws kms get-public-key --key-id "$key" --query PublicKey --output text | base64 -d | openssl pkey -pubin -inform DER -out public.pem
openssl dgst -sha384 -verify public.pem -signature signature message
symmetric=$(create_key SYMMETRIC_DEFAULT ENCRYPT_DECRYPT)
ciphertext=$(aws kms encrypt --key-id "$symmetric" --plaintext fileb://message --query CiphertextBlob --output text)
printf %s "$ciphertext" | base64 -d >ciphertext
equals "$(base64 -w0 message)" "$(aws kms decrypt --ciphertext-blob fileb://ciphertext --query Plaintext --output text)"
objects=$(SOFTHSM2_CONF=$softhsm pkcs11-tool --module "$module" --token-label pool-a --login --pin "$pin" --list-objects 2>/dev/null)
contains "holdfast/$key/1" "$objects"
contains ca-signing-key "$objects"

# --- The key that pkcs11-tool made becomes one of ours.
adopted=$("$holdfast" key adopt --region eu-central-1 --store "$store" --label ca-signing-key --id 01 --usage SIGN_VERIFY --json |
	sed -n 's/.*"id": *"\([0-9a-f-]\{36\}\)".*/\1/p')
equals ECC_NIST_P384 "$(aws kms describe-key --key-id "$adopted" --query KeyMetadata.KeySpec --output text)"
aws kms sign --key-id "$adopted" --message fileb://digest --message-type DIGEST --signing-algorithm ECDSA_SHA_384 \
	--query Signature --output text | base64 -d >signature
contains 'Signature is valid' "$(SOFTHSM2_CONF=$softhsm pkcs11-tool --module "$module" --token-label pool-a --login --pin "$pin" \
	--verify -m ECDSA --id 01 -i digest --signature-file signature --signature-format openssl 2>/dev/null)"

# --- Disconnected, the key is there and cannot be used.
aws kms disconnect-custom-key-store --custom-key-store-id "$store"
equals Unavailable "$(metadata KeyState)"
fails KMSInvalidStateException sign
fails CustomKeyStoreHasCMKsException aws kms delete-custom-key-store --custom-key-store-id "$store"
aws kms connect-custom-key-store --custom-key-store-id "$store"
settled
equals Enabled "$(metadata KeyState)"
sign >/dev/null

# --- A backup tells which token a new cluster needs.
aws cloudhsmv2 delete-hsm --cluster-id "$cluster" --hsm-id "$hsm" >/dev/null
for _ in {1..100}; do
	[[ $(connection ConnectionState) == FAILED ]] && break
	sleep 0.1
done
equals INSUFFICIENT_CLOUDHSM_HSMS "$(connection ConnectionErrorCode)"
backup=$(aws cloudhsmv2 describe-backups --query 'Backups[0].BackupId' --output text)
aws cloudhsmv2 delete-cluster --cluster-id "$cluster" >/dev/null
old=$cluster
cluster=$(aws cloudhsmv2 create-cluster --hsm-type hsm1.medium --subnet-ids subnet-12345678 --source-backup-id "$backup" \
	--query Cluster.ClusterId --output text)
equals INITIALIZED "$(describe State)"
aws cloudhsmv2 create-hsm --cluster-id "$cluster" --availability-zone eu-central-1a >/dev/null
equals ACTIVE "$(describe State)"
aws kms disconnect-custom-key-store --custom-key-store-id "$store"
fails CloudHsmClusterNotFoundException aws kms update-custom-key-store --custom-key-store-id "$store" --cloud-hsm-cluster-id "$old"
aws kms update-custom-key-store --custom-key-store-id "$store" --cloud-hsm-cluster-id "$cluster"
aws kms connect-custom-key-store --custom-key-store-id "$store"
settled
equals CONNECTED "$(connection ConnectionState)"
sign >/dev/null

# --- The other guide: its cluster takes the other token.
export AWS_REGION=ap-northeast-1 AWS_DEFAULT_REGION=ap-northeast-1
second=$(aws cloudhsmv2 create-cluster \
    --hsm-type hsm1.medium \
    --subnet-ids subnet-12345678 \
    --region ap-northeast-1 --query Cluster.ClusterId --output text)
aws cloudhsmv2 create-hsm \
    --cluster-id "$second" \
    --availability-zone ap-northeast-1a >/dev/null
SOFTHSM2_CONF=$softhsm pkcs11-tool --module "$module" --token-label pool-b \
    --login --pin "$pin" \
    --keypairgen --key-type rsa:2048 \
    --label "cert-signing-key" >/dev/null 2>&1
fails 'No token of the pool is free' aws cloudhsmv2 create-hsm --cluster-id "$second" --availability-zone ap-northeast-1a
