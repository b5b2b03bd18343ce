# Critical operations with the aws command line. The environment is the
# administrator's; ALICE and BOB are the credentials of two others, SERIAL and
# CODE are alice's second factor.

# as "ID SECRET [TOKEN]" COMMAND…
as() {
	local id secret token
	read -r id secret token <<<"$1"
	shift
	AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=${token:-} \
		HOLDFAST_ACCESS_KEY_ID=$id HOLDFAST_SECRET_ACCESS_KEY=$secret HOLDFAST_SESSION_TOKEN=${token:-} "$@"
}

# asked COMMAND…: the command is refused for want of an approval; prints its id.
asked() {
	local said
	said=$("$@" 2>&1) && return 1
	[[ $said == *AccessDeniedException* ]] || printf '%s\n' "$said" >&2
	grep -o 'apr-[a-z2-7]*' <<<"$said"
}

key=$(as "$ALICE" aws kms create-key --query KeyMetadata.Arn --output text)
drop=(aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 7)
fails 'key:ScheduleDeletion needs another person'\''s approval (rule deletions): holdfast approval request apr-' as "$ALICE" "${drop[@]}"
fails "is not authorized to perform: kms:ScheduleKeyDeletion on resource: $key: key:Sch" as "$ALICE" "${drop[@]}"
id=$(asked as "$ALICE" "${drop[@]}")
as "$ALICE" "$HOLDFAST" approval request "$id" --reason 'no longer used' >/dev/null
fails "waits for another person's approval" as "$ALICE" "${drop[@]}"
fails 'it takes another person' as "$ALICE" "$HOLDFAST" approval approve "$id"
contains '"PendingWindowInDays": 7' "$(as "$BOB" "$HOLDFAST" approval show "$id")"
as "$BOB" "$HOLDFAST" approval approve "$id" >/dev/null

# Another window, another caller, and another front end are other requests.
other=$(asked as "$ALICE" aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 30)
[[ $other != "$id" ]]
[[ $(asked as "$BOB" "${drop[@]}") != "$id" ]]
fails 'apr-' as "$ALICE" "$HOLDFAST" key delete "$key" --days 7 --yes

equals PendingDeletion "$(as "$ALICE" "${drop[@]}" --query KeyState --output text)"
as "$ALICE" aws kms cancel-key-deletion --key-id "$key" >/dev/null
[[ $(asked as "$ALICE" "${drop[@]}") != "$id" ]]
contains 'State:' "$(as "$BOB" "$HOLDFAST" approval show "$id" | grep used)"

# A call that is wrong does not use the approval up.
second=$(asked as "$ALICE" aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 10)
as "$ALICE" "$HOLDFAST" approval request "$second" --reason 'no longer used' >/dev/null
as "$BOB" "$HOLDFAST" approval approve "$second" >/dev/null
third=$(asked as "$ALICE" "${drop[@]}")
as "$ALICE" "$HOLDFAST" approval request "$third" --reason 'sooner' >/dev/null
as "$BOB" "$HOLDFAST" approval approve "$third" >/dev/null
equals PendingDeletion "$(as "$ALICE" "${drop[@]}" --query KeyState --output text)"
fails KMSInvalidStateException as "$ALICE" aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 10
contains approved "$(as "$BOB" "$HOLDFAST" approval show "$second" | grep State)"

# The other APIs ask as well. The client's token is another one in each call.
name=prod/$RANDOM
aws secretsmanager create-secret --name "$name" --secret-string opensesame >/dev/null
write=(aws secretsmanager put-secret-value --secret-id "$name" --secret-string changed)
id=$(asked as "$ALICE" "${write[@]}")
equals "$id" "$(asked as "$ALICE" "${write[@]}")"
as "$ALICE" "$HOLDFAST" approval request "$id" --reason 'a new password' >/dev/null
seen=$(as "$BOB" "$HOLDFAST" approval approve "$id" --json)
contains PutSecretValue "$seen"
[[ $seen != *changed* ]]
as "$ALICE" "${write[@]}" >/dev/null
fails 'apr-' as "$ALICE" "${write[@]}"

# A second factor in the session.
off=(aws kms disable-key --key-id "$MFA_KEY")
fails 'key:Disable needs a session with a second factor (rule switches)' as "$ALICE" "${off[@]}"
session=$(as "$ALICE" aws sts get-session-token --serial-number "$SERIAL" --token-code "$CODE" \
	--query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)
as "$session" "${off[@]}"
equals Disabled "$(aws kms describe-key --key-id "$MFA_KEY" --query KeyMetadata.KeyState --output text)"
