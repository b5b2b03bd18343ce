# A managed certificate by the aws command line and openssl: asked of a private
# CA, exported under a passphrase, deleted.
ca=$(aws acm-pca create-certificate-authority --certificate-authority-type ROOT --certificate-authority-configuration \
	KeyAlgorithm=EC_prime256v1,SigningAlgorithm=SHA256WITHECDSA,Subject="{CommonName=Root $run}" --query CertificateAuthorityArn --output text)
aws acm-pca get-certificate-authority-csr --certificate-authority-arn "$ca" --output text >ca.csr
issued=$(aws acm-pca issue-certificate --certificate-authority-arn "$ca" --csr fileb://ca.csr --signing-algorithm SHA256WITHECDSA \
	--template-arn arn:aws:acm-pca:::template/RootCACertificate/V1 --validity Value=10,Type=YEARS --query CertificateArn --output text)
aws acm-pca get-certificate --certificate-authority-arn "$ca" --certificate-arn "$issued" --query Certificate --output text >ca.pem
aws acm-pca import-certificate-authority-certificate --certificate-authority-arn "$ca" --certificate fileb://ca.pem

arn=$(aws acm request-certificate --domain-name localhost.example.com --subject-alternative-names other.example.com \
	--certificate-authority-arn "$ca" --key-algorithm EC_prime256v1 --query CertificateArn --output text)
aws acm wait certificate-validated --certificate-arn "$arn"
equals $'ISSUED\tPRIVATE' "$(aws acm describe-certificate --certificate-arn "$arn" --query 'Certificate.[Status,Type]' --output text)"
contains "$arn" "$(aws acm list-certificates --includes keyTypes=EC_prime256v1 --query 'CertificateSummaryList[].CertificateArn' --output text)"

printf 'correct horse' >passphrase
aws acm export-certificate --certificate-arn "$arn" --passphrase fileb://passphrase --query PrivateKey --output text >key.pem
aws acm get-certificate --certificate-arn "$arn" --query Certificate --output text >cert.pem
contains 'BEGIN ENCRYPTED PRIVATE KEY' "$(cat key.pem)"
openssl pkey -in key.pem -passin file:passphrase -out plain.pem
equals "$(openssl pkey -in plain.pem -pubout)" "$(openssl x509 -in cert.pem -noout -pubkey)"
equals 'cert.pem: OK' "$(openssl verify -CAfile ca.pem -purpose sslserver -verify_hostname localhost.example.com cert.pem)"
fails 'verification failed' openssl verify -CAfile ca.pem -verify_hostname elsewhere.example.com cert.pem

fails 'ResourceNotFoundException' aws acm describe-certificate --certificate-arn "${arn%????????????}000000000000"
fails 'UnsupportedOperationException' aws acm request-certificate --domain-name public.example.com --validation-method DNS
aws acm add-tags-to-certificate --certificate-arn "$arn" --tags Key=env,Value=prod Key=bare
equals $'bare\tenv' "$(aws acm list-tags-for-certificate --certificate-arn "$arn" --query 'sort_by(Tags,&Key)[].Key' --output text)"
aws acm delete-certificate --certificate-arn "$arn"
fails 'ResourceNotFoundException' aws acm delete-certificate --certificate-arn "$arn"
aws acm-pca update-certificate-authority --certificate-authority-arn "$ca" --status DISABLED
aws acm-pca delete-certificate-authority --certificate-authority-arn "$ca" --permanent-deletion-time-in-days 7
