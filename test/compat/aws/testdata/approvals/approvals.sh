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

# A second factor in the session. The code is good for half a minute: this comes first.
off=(aws kms disable-key --key-id "$MFA_KEY")
fails 'key:Disable needs a session with a second factor (rule switches)' as "$ALICE" "${off[@]}"
session=$(as "$ALICE" aws sts get-session-token --serial-number "$SERIAL" --token-code "$CODE" \
	--query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)
as "$session" "${off[@]}"

# Another person.
key=$(as "$ALICE" aws kms create-key --query KeyMetadata.Arn --output text)
drop=(aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 7)
fails "perform: kms:ScheduleKeyDeletion on resource: $key: key:ScheduleDeletion needs another person's approval (rule deletions): holdfast approval request apr-" \
	as "$ALICE" "${drop[@]}"
id=$(asked as "$ALICE" "${drop[@]}")
as "$ALICE" "$HOLDFAST" approval request "$id" --reason 'no longer used' >/dev/null
fails 'it takes another person' as "$ALICE" "$HOLDFAST" approval approve "$id"
contains '"PendingWindowInDays": 7' "$(as "$BOB" "$HOLDFAST" approval show "$id")"
as "$BOB" "$HOLDFAST" approval approve "$id" >/dev/null

# Another window and another front end are other requests.
later=(aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 30)
other=$(asked as "$ALICE" "${later[@]}")
[[ $other != "$id" ]]
as "$ALICE" "$HOLDFAST" approval request "$other" --reason 'later' >/dev/null
as "$BOB" "$HOLDFAST" approval approve "$other" >/dev/null
fails 'apr-' as "$ALICE" "$HOLDFAST" key delete "$key" --days 7 --yes

# The request that was approved, once. One that does nothing does not use its
# approval up.
equals PendingDeletion "$(as "$ALICE" "${drop[@]}" --query KeyState --output text)"
[[ $(asked as "$ALICE" "${drop[@]}") != "$id" ]]
contains used "$(as "$BOB" "$HOLDFAST" approval show "$id" | grep State)"
fails KMSInvalidStateException as "$ALICE" "${later[@]}"
contains approved "$(as "$BOB" "$HOLDFAST" approval show "$other" | grep State)"

# The other APIs ask as well. The client's token is another one in each call.
name=prod/$RANDOM
write=(aws secretsmanager create-secret --name "$name" --secret-string opensesame)
id=$(asked as "$ALICE" "${write[@]}")
equals "$id" "$(asked as "$ALICE" "${write[@]}")"
as "$ALICE" "$HOLDFAST" approval request "$id" --reason 'a password' >/dev/null
seen=$(as "$BOB" "$HOLDFAST" approval approve "$id" --json)
contains CreateSecret "$seen"
[[ $seen != *opensesame* ]]
as "$ALICE" "${write[@]}" >/dev/null
