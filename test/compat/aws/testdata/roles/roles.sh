# Roles and sessions with the aws command line. The environment is as roles.py
# has it.
account=$(aws sts get-caller-identity --query Account --output text)
equals "$account" "$(aws sts get-access-key-info --access-key-id "$AWS_ACCESS_KEY_ID" --query Account --output text)"

# as CREDENTIALS COMMAND…: what --query '…' --output text gave of credentials.
as() {
	local id secret token
	read -r id secret token <<<"$1"
	shift
	AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=$token "$@"
}
parts='Credentials.[AccessKeyId,SecretAccessKey,SessionToken]'

got=$(aws sts assume-role --role-arn "$ROLE" --role-session-name from-cli --serial-number "$SERIAL" --token-code "$CODE1" \
	--query "$parts" --output text)
contains "assumed-role/${ROLE##*/}/from-cli" "$(as "$got" aws sts get-caller-identity --query Arn --output text)"
as "$got" aws kms list-keys >/dev/null
fails AccessDeniedException as "$got" aws kms create-key
fails AccessDenied aws sts assume-role --role-arn "$ROLE" --role-session-name from-cli

got=$(aws sts get-session-token --serial-number "$SERIAL" --token-code "$CODE2" --query "$parts" --output text)
as "$got" aws sts assume-role --role-arn "$ROLE" --role-session-name from-cli >/dev/null

got=$(aws sts assume-role-with-web-identity --role-arn "$WEB_ROLE" --role-session-name from-cli \
	--web-identity-token "file://$TOKEN_FILE" --query "$parts" --output text)
as "$got" aws kms list-keys >/dev/null
fails 'Not authorized to perform sts:AssumeRoleWithWebIdentity' aws sts assume-role-with-web-identity --role-arn "$ROLE" \
	--role-session-name from-cli --web-identity-token "file://$TOKEN_FILE"
