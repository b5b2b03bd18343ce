package cloudtrail_test

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
)

const (
	named     = `{"Name":"audit"}`
	create    = `{"Name":"audit","S3BucketName":"audit-logs"}`
	selectors = `{"TrailName":"audit","EventSelectors":[{"ReadWriteType":"All"}]}`
	tagged    = `{"ResourceId":"` + arn + `","TagsList":[{"Key":"a"}]}`
)

// about returns a fault about the trail.
func about(kind fault.Kind, reason fault.Reason) *fault.Error {
	return &fault.Error{
		Kind: kind, Reason: reason, Op: "trail:Get", Public: "the public text", Resource: "123456789012/us-east-1/trail/audit",
	}
}

// TestKinds has what each kind of fault is to a client.
func TestKinds(t *testing.T) {
	const text = " The public text: " + arn + "."
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "GetTrail", Body: named, Fault: about,
		Want: map[fault.Kind]string{
			fault.Internal:        "500 InternalFailure",
			fault.InvalidArgument: "400 InvalidParameterException" + text,
			fault.Unauthenticated: "400 UnrecognizedClientException The security token included in the request is invalid.",
			fault.PermissionDenied: "400 AccessDeniedException User: arn:aws:iam::123456789012:user/alice is not authorized to perform: " +
				"cloudtrail:GetTrail on resource: " + arn,
			fault.NotFound:      "400 TrailNotFoundException" + text,
			fault.AlreadyExists: "400 TrailAlreadyExistsException" + text,
			fault.WrongState:    "400 InvalidParameterException" + text,
			fault.Conflict:      "400 ConflictException" + text,
			fault.Unsupported:   "400 UnsupportedOperationException" + text,
			fault.LimitExceeded: "400 MaximumNumberOfTrailsExceededException" + text,
			fault.BadCiphertext: "400 InvalidParameterException" + text,
			fault.BadSignature:  "400 InvalidParameterException" + text,
			fault.Unavailable:   "503 ServiceUnavailableException" + text,
		},
	})
}

// TestReasons has what has an exception of its own, by its reason or by the
// operation.
func TestReasons(t *testing.T) {
	const text = " The public text: " + arn + "."
	awstest.TestReasons(t, fake, []awstest.Refusal{
		{"AddTags", tagged, about(fault.InvalidArgument, fault.MalformedTag), "InvalidTagParameterException" + text},
		{"AddTags", tagged, about(fault.InvalidArgument, fault.ReservedTag), "InvalidTagParameterException" + text},
		{"AddTags", tagged, about(fault.InvalidArgument, fault.DuplicateTag), "InvalidTagParameterException" + text},
		{"AddTags", tagged, about(fault.LimitExceeded, fault.TooManyTags), "TagsLimitExceededException" + text},
		{"AddTags", tagged, about(fault.NotFound, fault.Unspecified), "ResourceNotFoundException" + text},
		{"StopLogging", named, about(fault.InvalidArgument, fault.ForeignRegion), "InvalidHomeRegionException" + text},
		{"PutEventSelectors", selectors, about(fault.InvalidArgument, fault.Unspecified), "InvalidEventSelectorsException" + text},
		{"LookupEvents", "{}", &fault.Error{Kind: fault.InvalidArgument, Reason: fault.MalformedMarker, Public: "the token"}, "InvalidNextTokenException The token."},
	})
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) { awstest.TestSecretCause(t, fake, "GetTrail", named) }

// TestRefused has requests that never reach the door.
func TestRefused(t *testing.T) {
	with := func(member string) string { return strings.Replace(create, "}", ","+member+"}", 1) }
	unsupported := func(name string) string {
		return "UnsupportedOperationException Holdfast does not support the parameter " + name + "."
	}
	const badName = " is not valid: it has 3 to 128 letters, digits, periods, underscores and hyphens, begins and ends with a letter or digit, " +
		"has no two of the others beside each other, and is no IP address."
	awstest.TestBadInput(t, fake, []awstest.Input{
		{"CreateTrail", `{"Name":"audit"}`, "ValidationException 1 validation error detected: Value null at 's3BucketName' failed to satisfy constraint: Member must not be null"},
		{"CreateTrail", strings.Replace(create, "audit\"", "a\"", 1), "InvalidTrailNameException The trail name 'a'" + badName},
		{"CreateTrail", strings.Replace(create, "audit\"", "a--b\"", 1), "InvalidTrailNameException The trail name 'a--b'" + badName},
		{"CreateTrail", strings.Replace(create, "audit\"", "192.0.2.1\"", 1), "InvalidTrailNameException The trail name '192.0.2.1'" + badName},
		{"CreateTrail", strings.Replace(create, "audit-logs", "../x", 1), "InvalidS3BucketNameException Bucket name '../x' is invalid."},
		{"CreateTrail", with(`"S3KeyPrefix":"../x"`), "InvalidS3PrefixException The S3 key prefix '../x' is invalid: at most 200 letters, digits and . _ ~ - between slashes."},
		{"CreateTrail", with(`"IsMultiRegionTrail":true,"IncludeGlobalServiceEvents":false`), "InvalidParameterCombinationException Multi-Region trail must include global service events."},
		{"CreateTrail", with(`"SnsTopicName":"t"`), unsupported("SnsTopicName")},
		{"CreateTrail", with(`"EnableLogFileValidation":true`), unsupported("EnableLogFileValidation")},
		{"CreateTrail", with(`"CloudWatchLogsLogGroupArn":"t"`), unsupported("CloudWatchLogsLogGroupArn")},
		{"CreateTrail", with(`"CloudWatchLogsRoleArn":"t"`), unsupported("CloudWatchLogsRoleArn")},
		{"CreateTrail", with(`"KmsKeyId":"t"`), unsupported("KmsKeyId")},
		{"UpdateTrail", `{"Name":"audit","IsOrganizationTrail":true}`, unsupported("IsOrganizationTrail")},
		{"UpdateTrail", `{"Name":"audit","S3BucketName":""}`, "InvalidS3BucketNameException Bucket name '' is invalid."},
		{"GetTrail", `{"Name":"arn:aws:kms:us-east-1:123456789012:key/1"}`, "CloudTrailARNInvalidException The ARN 'arn:aws:kms:us-east-1:123456789012:key/1' is not the ARN of a trail."},
		{
			"GetTrail", `{"Name":"arn:aws:cloudtrail:us-east-1:999999999999:trail/audit"}`,
			"TrailNotFoundException The trail is of another account: arn:aws:cloudtrail:us-east-1:999999999999:trail/audit.",
		},
		{"PutEventSelectors", `{"TrailName":"audit"}`, "InvalidEventSelectorsException There must be at least one event selector or advanced event selector."},
		{
			"PutEventSelectors", strings.Replace(selectors, "All", "Some", 1),
			"ValidationException 1 validation error detected: Value 'Some' at 'eventSelectors.1.member.readWriteType' failed to satisfy constraint: " +
				"Member must satisfy enum value set: [ReadOnly, WriteOnly, All]",
		},
		{"AddTags", strings.Replace(tagged, arn, "audit", 1), "CloudTrailARNInvalidException The ARN 'audit' is not the ARN of a trail."},
		{
			"AddTags", strings.Replace(tagged, "trail/audit", "channel/audit", 1),
			"ResourceTypeNotSupportedException Tags of '" + strings.Replace(arn, "trail/audit", "channel/audit", 1) + "' are not supported: only trails have tags.",
		},
		{"ListTags", `{"ResourceIdList":["` + arn + `"],"NextToken":"x"}`, "InvalidTokenException The token is not valid."},
		{"LookupEvents", `{"EventCategory":"insight"}`, unsupported("EventCategory")},
		{"LookupEvents", `{"StartTime":2,"EndTime":1}`, "InvalidTimeRangeException The start time is after the end time."},
		{"LookupEvents", `{"NextToken":"x"}`, "InvalidNextTokenException The token is not valid: it is of another request, or of none."},
		{
			"LookupEvents", `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"a"},{"AttributeKey":"EventId","AttributeValue":"b"}]}`,
			"InvalidLookupAttributesException You can only specify one lookup attribute.",
		},
		{"LookupEvents", `{"LookupAttributes":[{"AttributeKey":"ReadOnly","AttributeValue":"yes"}]}`, "InvalidLookupAttributesException The value of ReadOnly is true or false."},
		{"LookupEvents", `{"MaxResults":51}`, "ValidationException 1 validation error detected: Value '51' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 50"},
		{"StartQuery", `{}`, "UnsupportedOperationException The operation StartQuery is not supported by Holdfast."},
		{"MakeTrail", `{}`, "UnknownOperationException The requested operation is not recognized by the service."},
	})
}

// FuzzHandler: any body to any operation is answered, and recorded once.
func FuzzHandler(f *testing.F) { awstest.FuzzHandler(f, fake) }
