package sns_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/topic"
)

var requestID = regexp.MustCompile("<RequestId>[0-9a-f-]+")

// form writes parameters.
func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

var named = form("TopicArn", arn)

// about returns a fault about the topic.
func about(kind fault.Kind, reason fault.Reason) *fault.Error {
	return &fault.Error{
		Kind: kind, Reason: reason, Op: "topic:Get", Public: "the public text", Resource: "123456789012/us-east-1/topic/orders",
	}
}

// TestKinds has what each kind of fault is to a client.
func TestKinds(t *testing.T) {
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "GetTopicAttributes", Body: named, Fault: about,
		Want: map[fault.Kind]string{
			fault.Internal:         "500 InternalError",
			fault.InvalidArgument:  "400 InvalidParameter Invalid parameter: The public text",
			fault.Unauthenticated:  "403 InvalidClientTokenId The security token included in the request is invalid.",
			fault.PermissionDenied: "403 AuthorizationError User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sns:GetTopicAttributes on resource: " + arn,
			fault.NotFound:         "404 NotFound Topic does not exist",
			fault.AlreadyExists:    "400 InvalidParameter Invalid parameter: The public text",
			fault.WrongState:       "400 InvalidState The public text",
			fault.Conflict:         "400 ConcurrentAccess The public text",
			fault.Unsupported:      "400 InvalidParameter Invalid parameter: The public text",
			fault.LimitExceeded:    "429 Throttled The public text",
			fault.BadCiphertext:    "400 InvalidParameter Invalid parameter: The public text",
			fault.BadSignature:     "400 InvalidParameter Invalid parameter: The public text",
			fault.Unavailable:      "503 ServiceUnavailable The public text",
		},
	})
}

// TestReasons has what has an error of its own, by its cause, its resource or
// the operation.
func TestReasons(t *testing.T) {
	key := func(kind fault.Kind, reason fault.Reason) *fault.Error {
		return &fault.Error{Kind: kind, Reason: reason, Op: "key:Encrypt", Public: "the key is so", Resource: "123456789012/us-east-1/k"}
	}
	caused := func(e *fault.Error, name string) *fault.Error {
		e.Err = &topic.Invalid{Name: name}
		return e
	}
	const keyText = " The key is so: arn:aws:kms:us-east-1:123456789012:key/k"
	publish := form("TopicArn", arn, "Message", "x")
	subscribe := form("TopicArn", arn, "Protocol", "https")
	tag := form("ResourceArn", arn, "Tags.member.1.Key", "a", "Tags.member.1.Value", "b")
	tests := []struct {
		operation, body string
		err             *fault.Error
		want            string
	}{
		{"CreateTopic", form("Name", "x"), about(fault.LimitExceeded, fault.Unspecified), "403 TopicLimitExceeded The public text"},
		{"CreateTopic", form("Name", "x"), caused(about(fault.AlreadyExists, 0), "Attributes"), "400 InvalidParameter Invalid parameter: Attributes Reason: The public text"},
		{"Subscribe", subscribe, about(fault.LimitExceeded, fault.Unspecified), "403 SubscriptionLimitExceeded The public text"},
		{"Subscribe", subscribe, caused(about(fault.LimitExceeded, 0), "FilterPolicy"), "403 FilterPolicyLimitExceeded The public text"},
		{"TagResource", tag, about(fault.LimitExceeded, fault.TooManyTags), "400 TagLimitExceeded The public text"},
		{"TagResource", tag, about(fault.NotFound, fault.Unspecified), "404 ResourceNotFound Topic does not exist"},
		{"GetSubscriptionAttributes", form("SubscriptionArn", subscriptionARN), &fault.Error{Kind: fault.NotFound, Resource: "123456789012/us-east-1/subscription/orders/x"}, "404 NotFound Subscription does not exist"},
		{"Publish", publish, key(fault.PermissionDenied, fault.NoIdentityPolicyAllows), "400 KMSAccessDenied User: arn:aws:iam::123456789012:user/alice is not authorized to perform: kms:Encrypt on resource: arn:aws:kms:us-east-1:123456789012:key/k because no identity-based policy allows the kms:Encrypt action"},
		{"Publish", publish, key(fault.NotFound, fault.Unspecified), "400 KMSNotFound" + keyText},
		{"Publish", publish, key(fault.WrongState, fault.KeyDisabled), "400 KMSDisabled" + keyText},
		{"Publish", publish, key(fault.WrongState, fault.KeyPendingDeletion), "400 KMSInvalidState" + keyText},
		{"Publish", publish, key(fault.LimitExceeded, fault.Unspecified), "400 KMSThrottling" + keyText},
	}
	for _, test := range tests {
		service, d := fake(t)
		d.Err = fmt.Errorf("wrapped: %w", test.err)
		a := awstest.NewClient(service, d).Send(t, test.operation, test.body)
		if got := fmt.Sprintf("%d %s %s", a.Status, a.Kind, a.Message); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.operation, got, test.want)
		}
	}
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) { awstest.TestSecretCause(t, fake, "GetTopicAttributes", named) }

// TestRefused has requests that never reach the door.
func TestRefused(t *testing.T) {
	const invalid = "InvalidParameter Invalid parameter: "
	entries := func(n int, id func(int) string) string {
		pairs := []string{"TopicArn", arn}
		for i := range n {
			at := fmt.Sprintf("PublishBatchRequestEntries.member.%d.", i+1)
			pairs = append(pairs, at+"Id", id(i), at+"Message", "x")
		}
		return form(pairs...)
	}
	set := func(name, value string) string {
		return form("TopicArn", arn, "AttributeName", name, "AttributeValue", value)
	}
	wish := func(name, value string) string {
		return form("SubscriptionArn", subscriptionARN, "AttributeName", name, "AttributeValue", value)
	}
	awstest.TestBadInput(t, fake, []awstest.Input{
		{Operation: "GetTopicAttributes", Want: "ValidationError 1 validation error detected: Value null at 'topicArn' failed to satisfy constraint: Member must not be null"},
		{Operation: "GetTopicAttributes", Body: form("TopicArn", "orders"), Want: invalid + "TopicArn Reason: An ARN must have at least 6 elements, not 1"},
		{Operation: "GetTopicAttributes", Body: form("TopicArn", subscriptionARN), Want: invalid + "TopicArn Reason: It is not the ARN of a topic"},
		{Operation: "Unsubscribe", Body: form("SubscriptionArn", arn), Want: invalid + "SubscriptionArn Reason: It is not the ARN of a subscription"},
		{Operation: "GetTopicAttributes", Body: named + "&Other=1", Want: "InvalidParameter Holdfast does not support the parameter 'Other'."},
		{Operation: "Publish", Body: form("PhoneNumber", "+49123", "Message", "x"), Want: "InvalidParameter Holdfast does not support the parameter 'PhoneNumber'."},
		{Operation: "Publish", Body: form("TopicArn", arn, "Message", "x", "MessageGroupId", "g"), Want: "InvalidParameter Holdfast does not support the parameter 'MessageGroupId'."},
		{Operation: "Publish", Body: form("Message", "x"), Want: invalid + "TopicArn or TargetArn Reason: No value for required parameter"},
		{Operation: "Publish", Body: form("TopicArn", arn, "Message", "x", "MessageStructure", "xml"), Want: invalid + "MessageStructure Reason: It must be json"},
		{Operation: "Publish", Body: form("TopicArn", arn, "Message", "x", "MessageStructure", "json"), Want: invalid + "Message Structure - JSON message body failed to parse"},
		{Operation: "Publish", Body: form("TopicArn", arn, "Message", `{"email":"x"}`, "MessageStructure", "json"), Want: invalid + "Message Structure - No default entry in JSON message body"},
		{Operation: "Publish", Body: form("TopicArn", arn, "Message", strings.Repeat("x", 1<<20)), Want: "RequestEntityTooLargeException The request must be at most 1048576 bytes."},
		{Operation: "CreateTopic", Body: form("Name", strings.Repeat("x", 256<<10)), Want: "RequestEntityTooLargeException The request must be at most 262144 bytes."},
		{Operation: "PublishBatch", Body: named, Want: "EmptyBatchRequest The batch request doesn't contain any entries."},
		{Operation: "PublishBatch", Body: entries(11, strconv.Itoa), Want: "TooManyEntriesInBatchRequest The batch request contains more entries than permissible."},
		{Operation: "PublishBatch", Body: entries(2, func(int) string { return "e" }), Want: "BatchEntryIdsNotDistinct Two or more batch entries in the request have the same Id: e"},
		{Operation: "PublishBatch", Body: entries(1, func(int) string { return "e 1" }), Want: "InvalidBatchEntryId The Id of a batch entry in a batch request must be 1 to 80 letters, digits, hyphens and underscores."},
		{Operation: "SetTopicAttributes", Body: set("TracingConfig", "Active"), Want: invalid + `Holdfast does not support the attribute "TracingConfig" of topics`},
		{Operation: "SetTopicAttributes", Body: set("FifoTopic", "true"), Want: invalid + "FIFO topics are not supported"},
		{Operation: "SetTopicAttributes", Body: set("KmsMasterKeyId", arn), Want: invalid + "KmsMasterKeyId Reason: It is not the ARN of a key or an alias"},
		{Operation: "SetTopicAttributes", Body: set("DeliveryPolicy", `{"http":{"defaultThrottlePolicy":{"maxReceivesPerSecond":1}}}`), Want: invalid + "A throttle policy (maxReceivesPerSecond) is not supported"},
		{Operation: "SetTopicAttributes", Body: set("DeliveryPolicy", `{"htpp":{}}`), Want: invalid + "DeliveryPolicy Reason: It is not the JSON of a delivery policy"},
		{Operation: "SetSubscriptionAttributes", Body: wish("RedrivePolicy", "{}"), Want: invalid + `Holdfast does not support the attribute "RedrivePolicy" of subscriptions`},
		{Operation: "SetSubscriptionAttributes", Body: wish("FilterPolicyScope", "Message"), Want: invalid + "FilterPolicyScope Reason: It is MessageAttributes or MessageBody"},
		{Operation: "SetSubscriptionAttributes", Body: wish("RawMessageDelivery", "1"), Want: invalid + "RawMessageDelivery Reason: RawMessageDelivery must be true or false"},
		{Operation: "AddPermission", Body: form("TopicArn", arn, "Label", "own", "AWSAccountId.member.1", "210987654321", "ActionName.member.1", "Publish"), Want: invalid + "Label Reason: The policy has a statement with this label already"},
		{Operation: "AddPermission", Body: form("TopicArn", arn, "Label", "x", "AWSAccountId.member.1", "x", "ActionName.member.1", "Publish"), Want: invalid + `AWSAccountId Reason: "x" is no account id`},
		{Operation: "AddPermission", Body: form("TopicArn", arn, "Label", "x", "AWSAccountId.member.1", "210987654321", "ActionName.member.1", "*"), Want: invalid + `ActionName Reason: "*" is no action that a policy of a topic can allow`},
		{Operation: "ListTopics", Body: form("NextToken", "x"), Want: invalid + "NextToken Reason: It is not of this listing"},
		{Operation: "SetSMSAttributes", Want: "InvalidAction The operation SetSMSAttributes is not supported by Holdfast."},
		{Operation: "MakeTopic", Want: "InvalidAction The requested operation is not recognized by the service."},
	})
}
