package sns_test

import (
	"flag"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/sns"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{
		Operations: sns.Operations(), Update: *update, Mask: func(body string) string { return requestID.ReplaceAllString(body, "<RequestId>…") },
	})
}

// TestOperations holds the table against the list of AWS's operations (AWS SDK
// for Go v2, sns 1.47.9): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `AddPermission CheckIfPhoneNumberIsOptedOut ConfirmSubscription CreatePlatformApplication CreatePlatformEndpoint
CreateSMSSandboxPhoneNumber CreateTopic DeleteEndpoint DeletePlatformApplication DeleteSMSSandboxPhoneNumber DeleteTopic
GetDataProtectionPolicy GetEndpointAttributes GetPlatformApplicationAttributes GetSMSAttributes GetSMSSandboxAccountStatus
GetSubscriptionAttributes GetTopicAttributes ListEndpointsByPlatformApplication ListOriginationNumbers ListPhoneNumbersOptedOut
ListPlatformApplications ListSMSSandboxPhoneNumbers ListSubscriptions ListSubscriptionsByTopic ListTagsForResource ListTopics
OptInPhoneNumber Publish PublishBatch PutDataProtectionPolicy RemovePermission SetEndpointAttributes
SetPlatformApplicationAttributes SetSMSAttributes SetSubscriptionAttributes SetTopicAttributes Subscribe TagResource
Unsubscribe UntagResource VerifySMSSandboxPhoneNumber`
	awstest.TestOperations(t, sns.Operations(), all)
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	awstest.TestPage(t, awstest.Page{
		Path: "../../../../docs/aws-sns.md", Package: "aws/sns", Operations: sns.Operations(), Update: *update,
	})
}

// FuzzHandler holds that any request is answered, and recorded once.
func FuzzHandler(f *testing.F) { awstest.FuzzHandler(f, fake) }
