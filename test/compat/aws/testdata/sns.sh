# Topics by the aws command line: made, set, published on, ended. Each call costs
# the start of a Python: sns.py has the rest.
topic=$(aws sns create-topic --name "$run" --attributes DisplayName=Orders,SignatureVersion=2 --tags Key=team,Value=web --query TopicArn --output text)
contains ":$run" "$topic"
fails 'Topic already exists with different attributes' aws sns create-topic --name "$run" --attributes DisplayName=Others
fails 'FIFO topics are not supported' aws sns create-topic --name "$run.fifo" --attributes FifoTopic=true
aws sns set-topic-attributes --topic-arn "$topic" --attribute-name DeliveryPolicy \
	--attribute-value '{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":5,"numRetries":3}}}'
equals Orders "$(aws sns get-topic-attributes --topic-arn "$topic" --query Attributes.DisplayName --output text)"
contains - "$(aws sns publish --topic-arn "$topic" --subject 'An order' --message 'Number 4711' \
	--message-attributes '{"severity":{"DataType":"String","StringValue":"low"}}' --query MessageId --output text)"
batch='[{"Id":"a","Message":"one"},{"Id":"b","Message":"two","MessageStructure":"json"}]'
equals $'a\tb' "$(aws sns publish-batch --topic-arn "$topic" --publish-batch-request-entries "$batch" --query '[Successful[0].Id,Failed[0].Id]' --output text)"
fails 'does not support the parameter' aws sns publish --phone-number +4912345678 --message x
fails 'protocol sqs' aws sns subscribe --topic-arn "$topic" --protocol sqs --notification-endpoint arn:aws:sqs:us-east-1:123456789012:q
aws sns delete-topic --topic-arn "$topic"
fails NotFound aws sns get-topic-attributes --topic-arn "$topic"
