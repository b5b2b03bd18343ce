# The functions by the aws command line: a key signs an authority's certificate,
# and the authority then issues into a secret.
equals $'issue-certificate\tsign-ca-certificate' "$(aws lambda list-functions --query 'Functions[].FunctionName' --output text)"
equals Active "$(aws lambda get-function --function-name sign-ca-certificate --query Configuration.State --output text)"
contains ':function:issue-certificate' "$(aws lambda get-function-configuration --function-name issue-certificate --query FunctionArn --output text)"
aws lambda wait function-active --function-name issue-certificate

ca=$(aws acm-pca create-certificate-authority --certificate-authority-type SUBORDINATE --certificate-authority-configuration \
	KeyAlgorithm=EC_prime256v1,SigningAlgorithm=SHA256WITHECDSA,Subject="{CommonName=Issuing $run}" --query CertificateAuthorityArn --output text)
aws acm-pca get-certificate-authority-csr --certificate-authority-arn "$ca" --output text >issuing.csr
key=$(aws kms create-key --key-spec RSA_2048 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId --output text)
cleanup "$key"
aws kms create-alias --alias-name "alias/anchor-$run" --target-key-id "$key"

# invoke FUNCTION FILE [FLAG…]: the answer is in answer.json. fileb:// means the
# same to every version of the command line.
invoke() { aws lambda invoke --function-name "$1" --payload "fileb://$2" "${@:3}" answer.json; }
# member NAME: a member of the answer.
member() { python3 -c 'import json,sys; print(json.load(open("answer.json"))[sys.argv[1]], end="")' "$1"; }
# payload FILE: an event with the file's content.
payload() { python3 -c 'import json,sys; json.dump({"csr": open(sys.argv[1]).read(), "kms_key_id": sys.argv[2]}, sys.stdout)' "$1" "$2"; }

# Who gives the name of a file is told what to give.
printf '{"csr": "issuing.csr", "kms_key_id": "alias/anchor-%s"}' "$run" >event.json
equals Unhandled "$(invoke sign-ca-certificate event.json --query FunctionError --output text)"
contains '"issuing.csr", the name of a file' "$(member errorMessage)"
equals ValidationException "$(member errorType)"

payload issuing.csr "alias/anchor-$run" >event.json
equals None "$(invoke sign-ca-certificate event.json --query FunctionError --output text)"
member certificate >issuing.pem
member certificate_chain >anchor.pem
equals 'issuing.pem: OK' "$(openssl verify -CAfile anchor.pem issuing.pem)"
base64 -w0 issuing.csr >issuing.b64
payload issuing.b64 "$key" >event.json
invoke sign-ca-certificate event.json
member certificate_chain >again.pem
equals "$(cat anchor.pem)" "$(cat again.pem)"
aws acm-pca import-certificate-authority-certificate --certificate-authority-arn "$ca" --certificate fileb://issuing.pem --certificate-chain fileb://anchor.pem
equals ACTIVE "$(aws acm-pca describe-certificate-authority --certificate-authority-arn "$ca" --query CertificateAuthority.Status --output text)"

host="f-$run.example.com"
printf '{"common_name": "%s", "san": ["www.%s"], "validity_days": 30, "ca_arn": "%s"}' "$host" "$host" "$ca" >event.json
log=$(invoke issue-certificate event.json --log-type Tail --query LogResult --output text)
contains 'REPORT RequestId' "$(base64 -d <<<"$log")"
equals 200 "$(member statusCode)"
contains "certificates/$host" "$(member body)"
aws secretsmanager get-secret-value --secret-id "certificates/$host" --query SecretString --output text >answer.json
member certificate >host.pem
member certificate_chain >chain.pem
member private_key >host.key
equals 'host.pem: OK' "$(openssl verify -CAfile anchor.pem -untrusted chain.pem -purpose sslserver -verify_hostname "www.$host" host.pem)"
equals "$(openssl pkey -in host.key -pubout)" "$(openssl x509 -in host.pem -noout -pubkey)"
invoke issue-certificate event.json
equals 2 "$(aws secretsmanager list-secret-version-ids --secret-id "certificates/$host" --query 'length(Versions)' --output text)"

equals 204 "$(invoke issue-certificate event.json --invocation-type DryRun --query StatusCode --output text)"
fails 'does not support the InvocationType Event' invoke issue-certificate event.json --invocation-type Event
fails 'Function not found' invoke "none-$run" event.json
fails 'InvalidRequestContentException' invoke issue-certificate issuing.csr
fails 'not supported by Holdfast' aws lambda delete-function --function-name issue-certificate

aws secretsmanager delete-secret --secret-id "certificates/$host" --force-delete-without-recovery
aws acm-pca update-certificate-authority --certificate-authority-arn "$ca" --status DISABLED
aws acm-pca delete-certificate-authority --certificate-authority-arn "$ca" --permanent-deletion-time-in-days 7
aws kms delete-alias --alias-name "alias/anchor-$run"
