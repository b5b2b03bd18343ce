# A trail by the aws command line: made, started, looked at, stopped, ended;
# and the history of events, by name and by what they are about.
name=trail-$run
key=$(aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY --query KeyMetadata.Arn --output text)
cleanup "$key"
printf x >message
aws kms sign --key-id "$key" --message fileb://message --signing-algorithm ECDSA_SHA_256 >/dev/null

arn=$(aws cloudtrail create-trail --name "$name" --s3-bucket-name audit-logs --s3-key-prefix "$run" --tags-list Key=team,Value=security --query TrailARN --output text)
fails 'TrailAlreadyExistsException' aws cloudtrail create-trail --name "$name" --s3-bucket-name audit-logs
fails 'InvalidS3BucketNameException' aws cloudtrail create-trail --name "$name" --s3-bucket-name A
fails 'UnsupportedOperationException' aws cloudtrail create-trail --name "$name" --s3-bucket-name audit-logs --enable-log-file-validation
contains "$arn" "$(aws cloudtrail describe-trails --query 'trailList[].TrailARN' --output text)"
contains "$name" "$(aws cloudtrail list-trails --query 'Trails[].Name' --output text)"
equals False "$(aws cloudtrail get-trail-status --name "$name" --query IsLogging --output text)"
aws cloudtrail start-logging --name "$name"
equals True "$(aws cloudtrail get-trail-status --name "$arn" --query IsLogging --output text)"
equals $'All\tTrue' "$(aws cloudtrail get-event-selectors --trail-name "$name" --query 'EventSelectors[0].[ReadWriteType,IncludeManagementEvents]' --output text)"
aws cloudtrail put-event-selectors --trail-name "$name" --event-selectors '[{"ReadWriteType":"WriteOnly","IncludeManagementEvents":true}]' >/dev/null
equals WriteOnly "$(aws cloudtrail get-event-selectors --trail-name "$name" --query 'EventSelectors[0].ReadWriteType' --output text)"
equals True "$(aws cloudtrail get-trail --name "$name" --query Trail.HasCustomEventSelectors --output text)"
aws cloudtrail update-trail --name "$name" --is-multi-region-trail >/dev/null
equals security "$(aws cloudtrail list-tags --resource-id-list "$arn" --query 'ResourceTagList[0].TagsList[0].Value' --output text)"

equals Sign "$(aws cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue="$key" --max-results 50 --query "Events[?EventName=='Sign'] | [0].EventName" --output text)"
equals "$key" "$(aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=Sign --max-results 50 \
	--query "Events[?Resources[0].ResourceName=='$key'] | [0].Resources[0].ResourceName" --output text)"
fails 'InvalidLookupAttributesException' aws cloudtrail lookup-events --lookup-attributes AttributeKey=ReadOnly,AttributeValue=maybe
fails 'UnsupportedOperationException' aws cloudtrail list-event-data-stores

aws cloudtrail stop-logging --name "$name"
equals False "$(aws cloudtrail get-trail-status --name "$name" --query IsLogging --output text)"
aws cloudtrail delete-trail --name "$name"
fails 'TrailNotFoundException' aws cloudtrail get-trail --name "$name"
