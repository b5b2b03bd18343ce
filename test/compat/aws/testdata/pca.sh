# A private CA as people set it up: a root and an authority below it, then one
# below a root that is not here, certificates of both, and the end of all.
arn() { printf 'arn:aws:acm-pca:::template/%s' "$1"; }

# state WANT CA
state() {
	equals "$1" "$(aws acm-pca describe-certificate-authority --certificate-authority-arn "$2" --query CertificateAuthority.Status --output text)"
}

# certificate CA CERTIFICATE FILE: as JSON has it, PEM and nothing else.
certificate() {
	aws acm-pca get-certificate --certificate-authority-arn "$1" --certificate-arn "$2" --output json >answer.json
	python3 -c 'import json, sys; a = json.load(open("answer.json")); sys.stdout.write(a["Certificate"])' >"$3"
	python3 -c 'import json, sys; a = json.load(open("answer.json")); sys.stdout.write(a.get("CertificateChain", ""))' >"$3.chain"
}

# The root, of RSA.
aws acm-pca create-certificate-authority \
    --certificate-authority-configuration '{
        "KeyAlgorithm": "RSA_2048",
        "SigningAlgorithm": "SHA256WITHRSA",
        "Subject": {
            "Country": "TW",
            "Organization": "Example Corp",
            "CommonName": "Example Private CA"
        }
    }' \
    --certificate-authority-type "ROOT" \
    --tags Key=Environment,Value=Production >root.json
root=$(python3 -c 'import json; print(json.load(open("root.json"))["CertificateAuthorityArn"])')
aws acm-pca wait certificate-authority-csr-created --certificate-authority-arn "$root"
state PENDING_CERTIFICATE "$root"
fails InvalidStateException aws acm-pca get-certificate-authority-certificate --certificate-authority-arn "$root"
aws acm-pca get-certificate-authority-csr \
    --certificate-authority-arn "$root" \
    --output text >ca-csr.pem
openssl req -in ca-csr.pem -noout -verify
contains 'Example Private CA' "$(openssl req -in ca-csr.pem -noout -subject)"
own=$(aws acm-pca issue-certificate --certificate-authority-arn "$root" --csr fileb://ca-csr.pem --signing-algorithm SHA256WITHRSA \
	--template-arn "$(arn RootCACertificate/V1)" --validity Value=10,Type=YEARS --query CertificateArn --output text)
aws acm-pca wait certificate-issued --certificate-authority-arn "$root" --certificate-arn "$own"
certificate "$root" "$own" root.pem
equals 0 "$(wc -c <root.pem.chain)"
aws acm-pca import-certificate-authority-certificate --certificate-authority-arn "$root" --certificate fileb://root.pem
state ACTIVE "$root"
openssl verify -CAfile root.pem root.pem

# An authority below it.
cat >issuing.json <<'JSON'
{"KeyAlgorithm": "RSA_3072", "SigningAlgorithm": "SHA384WITHRSA", "Subject": {"CommonName": "Example Issuing CA", "Organization": "Example Corp"}}
JSON
issuing=$(aws acm-pca create-certificate-authority --certificate-authority-configuration file://issuing.json \
	--certificate-authority-type SUBORDINATE --idempotency-token "$run" --query CertificateAuthorityArn --output text)
equals "$issuing" "$(aws acm-pca create-certificate-authority --certificate-authority-configuration file://issuing.json \
	--certificate-authority-type SUBORDINATE --idempotency-token "$run" --query CertificateAuthorityArn --output text)"
aws acm-pca get-certificate-authority-csr --certificate-authority-arn "$issuing" --output text >issuing.csr
below=$(aws acm-pca issue-certificate --certificate-authority-arn "$root" --csr fileb://issuing.csr --signing-algorithm SHA256WITHRSA \
	--template-arn "$(arn SubordinateCACertificate_PathLen0/V1)" --validity Value=5,Type=YEARS --query CertificateArn --output text)
certificate "$root" "$below" issuing.pem
aws acm-pca import-certificate-authority-certificate --certificate-authority-arn "$issuing" \
	--certificate fileb://issuing.pem --certificate-chain fileb://issuing.pem.chain
state ACTIVE "$issuing"
openssl verify -CAfile root.pem issuing.pem

# A certificate of it.
openssl req -new -newkey rsa:2048 -nodes -keyout web.key -subj '/C=TW/O=Example Corp/CN=web.example.com' \
	-addext 'subjectAltName=DNS:web.example.com,DNS:www.example.com' -out web.csr
web=$(aws acm-pca issue-certificate --certificate-authority-arn "$issuing" --csr fileb://web.csr --signing-algorithm SHA384WITHRSA \
	--validity Value=365,Type=DAYS --idempotency-token 1234 --query CertificateArn --output text)
certificate "$issuing" "$web" web.pem
openssl verify -CAfile root.pem -untrusted web.pem.chain -purpose sslserver -verify_hostname www.example.com web.pem
fails MalformedCSRException aws acm-pca issue-certificate --certificate-authority-arn "$issuing" --csr fileb://web.pem \
	--signing-algorithm SHA384WITHRSA --validity Value=1,Type=DAYS
fails InvalidArnException aws acm-pca issue-certificate --certificate-authority-arn "$issuing" --csr fileb://web.csr \
	--signing-algorithm SHA384WITHRSA --validity Value=1,Type=DAYS --template-arn "$(arn NoSuchCertificate/V1)"
serial=$(openssl x509 -in web.pem -noout -serial | sed 's/.*=//; s/../&:/g; s/:$//')
aws acm-pca revoke-certificate --certificate-authority-arn "$issuing" --certificate-serial "$serial" --revocation-reason KEY_COMPROMISE
fails RequestAlreadyProcessedException aws acm-pca revoke-certificate --certificate-authority-arn "$issuing" \
	--certificate-serial "$serial" --revocation-reason SUPERSEDED

# An authority below a root that is not here. Version 1 of the client reads a
# blob from file://, later ones only from fileb://.
blob=file
if [[ $(command aws --version 2>&1) == aws-cli/[2-9]* ]]; then
	blob=fileb
fi
cat >ca-config.json <<'EOF'
{
  "KeyAlgorithm": "EC_secp384r1",
  "SigningAlgorithm": "SHA384WITHECDSA",
  "Subject": {
    "Country": "HR",
    "Organization": "Example Organization",
    "CommonName": "Example Private CA"
  }
}
EOF
sub=$(aws acm-pca create-certificate-authority \
    --certificate-authority-configuration file://ca-config.json \
    --certificate-authority-type SUBORDINATE \
    --tags Key=Environment,Value=Production --query CertificateAuthorityArn --output text)
aws acm-pca get-certificate-authority-csr \
    --certificate-authority-arn "$sub" \
    --output text >ca.csr
openssl ecparam -name secp384r1 -genkey -noout -out chain.key
openssl req -x509 -new -key chain.key -sha384 -days 3650 -subj '/O=Elsewhere/CN=Offline Root' \
	-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out chain.pem
printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >ext
openssl x509 -req -in ca.csr -CA chain.pem -CAkey chain.key -CAcreateserial -sha384 -days 1825 -extfile ext -out ca-cert.pem
fails MalformedCertificateException aws acm-pca import-certificate-authority-certificate \
	--certificate-authority-arn "$sub" --certificate fileb://ca.csr --certificate-chain fileb://chain.pem
fails CertificateMismatchException aws acm-pca import-certificate-authority-certificate \
	--certificate-authority-arn "$sub" --certificate fileb://issuing.pem --certificate-chain fileb://root.pem
aws acm-pca import-certificate-authority-certificate \
    --certificate-authority-arn "$sub" \
    --certificate "$blob://ca-cert.pem" \
    --certificate-chain "$blob://chain.pem"
openssl ecparam -name prime256v1 -genkey -noout -out server.key
openssl req -new -key server.key -out server.csr \
    -subj "/CN=server.example.com"
cert=$(aws acm-pca issue-certificate \
    --certificate-authority-arn "$sub" \
    --csr fileb://server.csr \
    --signing-algorithm SHA384WITHECDSA \
    --validity Value=365,Type=DAYS \
    --template-arn arn:aws:acm-pca:::template/EndEntityCertificate/V1 --query CertificateArn --output text)
aws acm-pca get-certificate \
    --certificate-authority-arn "$sub" \
    --certificate-arn "$cert" \
    --output text >server.pem
aws acm-pca get-certificate-authority-certificate --certificate-authority-arn "$sub" --query Certificate --output text >sub.pem
openssl verify -CAfile chain.pem -untrusted sub.pem server.pem

# What is around it.
equals Production "$(aws acm-pca list-tags --certificate-authority-arn "$sub" --query 'Tags[0].Value' --output text)"
aws acm-pca tag-certificate-authority --certificate-authority-arn "$sub" --tags Key=Owner,Value=anna
aws acm-pca untag-certificate-authority --certificate-authority-arn "$sub" --tags Key=Environment
equals Owner "$(aws acm-pca list-tags --certificate-authority-arn "$sub" --query 'Tags[].Key' --output text)"
aws acm-pca create-permission --certificate-authority-arn "$sub" --principal acm.amazonaws.com \
	--actions IssueCertificate GetCertificate ListPermissions
fails PermissionAlreadyExistsException aws acm-pca create-permission --certificate-authority-arn "$sub" \
	--principal acm.amazonaws.com --actions IssueCertificate
equals acm.amazonaws.com "$(aws acm-pca list-permissions --certificate-authority-arn "$sub" --query 'Permissions[].Principal' --output text)"
aws acm-pca delete-permission --certificate-authority-arn "$sub" --principal acm.amazonaws.com
account=$(aws sts get-caller-identity --query Account --output text)
policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::'$account':root"},"Action":"acm-pca:*","Resource":"*"}]}'
aws acm-pca put-policy --resource-arn "$sub" --policy "$policy"
equals "$policy" "$(aws acm-pca get-policy --resource-arn "$sub" --query Policy --output text)"
fails InvalidPolicyException aws acm-pca put-policy --resource-arn "$sub" --policy '{"Version":"2012-10-17"}'
aws acm-pca delete-policy --resource-arn "$sub"
fails ResourceNotFoundException aws acm-pca get-policy --resource-arn "$sub"
contains "$sub" "$(aws acm-pca list-certificate-authorities --query 'CertificateAuthorities[].Arn' --output text)"

# The end.
for ca in "$sub" "$issuing" "$root"; do
	fails 'is active' aws acm-pca delete-certificate-authority --certificate-authority-arn "$ca"
	aws acm-pca update-certificate-authority --certificate-authority-arn "$ca" --status DISABLED
	state DISABLED "$ca"
	aws acm-pca delete-certificate-authority --certificate-authority-arn "$ca" --permanent-deletion-time-in-days 7
	state DELETED "$ca"
done
aws acm-pca restore-certificate-authority --certificate-authority-arn "$root"
state DISABLED "$root"
aws acm-pca delete-certificate-authority --certificate-authority-arn "$root" --permanent-deletion-time-in-days 7
