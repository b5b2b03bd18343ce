# Secrets by the aws command line: made, read, renewed, deleted and restored,
# sealed under a key of our own. At the end, the value is bytes.
name="shop/$run/database"
arn=$(aws secretsmanager create-secret --name "$name" --description 'what the shop logs in with' \
	--secret-string '{"user":"shop","password":"pässword 1"}' --tags Key=team,Value=shop --query ARN --output text)
contains ":secret:$name-" "$arn"
equals '{"user":"shop","password":"pässword 1"}' "$(aws secretsmanager get-secret-value --secret-id "$name" --query SecretString --output text)"
equals "$name" "$(aws secretsmanager get-secret-value --secret-id "${arn%-*}" --query Name --output text)"
fails 'ResourceExistsException' aws secretsmanager create-secret --name "$name" --secret-string x

# A new version makes the old one previous; a label goes where it is sent.
second=$(aws secretsmanager put-secret-value --secret-id "$arn" --secret-string two --query VersionId --output text)
equals two "$(aws secretsmanager get-secret-value --secret-id "$arn" --query SecretString --output text)"
contains 'pässword 1' "$(aws secretsmanager get-secret-value --secret-id "$arn" --version-stage AWSPREVIOUS --query SecretString --output text)"
first=$(aws secretsmanager list-secret-version-ids --secret-id "$arn" --query "Versions[?VersionStages[0]=='AWSPREVIOUS'].VersionId" --output text)
fails 'currently attached to version' aws secretsmanager update-secret-version-stage --secret-id "$arn" --version-stage AWSCURRENT --move-to-version-id "$first"
aws secretsmanager update-secret-version-stage --secret-id "$arn" --version-stage AWSCURRENT --move-to-version-id "$first" --remove-from-version-id "$second"
contains 'pässword 1' "$(aws secretsmanager get-secret-value --secret-id "$arn" --query SecretString --output text)"

# Under a key of our own, which then has the last word.
key=$(aws kms create-key --query KeyMetadata.KeyId --output text)
cleanup "$key"
aws secretsmanager update-secret --secret-id "$arn" --kms-key-id "$key" --description 'sealed anew'
equals "$key" "$(aws secretsmanager describe-secret --secret-id "$arn" --query KmsKeyId --output text)"
aws kms disable-key --key-id "$key"
fails 'DecryptionFailure' aws secretsmanager get-secret-value --secret-id "$arn"
aws kms enable-key --key-id "$key"
contains 'pässword 1' "$(aws secretsmanager get-secret-value --secret-id "$arn" --query SecretString --output text)"

# Found by its name.
equals "$name" "$(aws secretsmanager list-secrets --filters Key=name,Values="shop/$run" --query 'SecretList[].Name' --output text)"

# A password that nobody thought of.
password=$(aws secretsmanager get-random-password --password-length 24 --exclude-punctuation --query RandomPassword --output text)
equals 24 "${#password}"
equals '' "${password//[a-zA-Z0-9]/}"

# Gone, back, and gone for good.
aws secretsmanager delete-secret --secret-id "$arn" --recovery-window-in-days 7
fails 'marked for deletion' aws secretsmanager get-secret-value --secret-id "$arn"
aws secretsmanager restore-secret --secret-id "$arn"
aws secretsmanager delete-secret --secret-id "$arn" --force-delete-without-recovery
fails 'ResourceNotFoundException' aws secretsmanager describe-secret --secret-id "$arn"

printf '\0\1\377' >blob
aws secretsmanager create-secret --name "blob/$run" --secret-binary fileb://blob
equals AAH/ "$(aws secretsmanager get-secret-value --secret-id "blob/$run" --query SecretBinary --output text)"
aws secretsmanager delete-secret --secret-id "blob/$run" --force-delete-without-recovery
fails 'not supported by Holdfast' aws secretsmanager rotate-secret --secret-id "blob/$run"
