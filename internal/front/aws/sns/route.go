package sns

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the Amazon SNS API over topics.
func New(topics Topics) aws.Service {
	f := &front{topics}
	return aws.Service{
		API: "aws.sns", Scope: "sns", Version: "2010-03-31", Namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		Operations: f.table(), Known: unserved, Explain: explain,
	}
}

// maxPublish bounds the body of a request that publishes: a message of 256 KiB,
// each byte of which may be three in a form, and its attributes.
const maxPublish = 1 << 20

// table is the API: name, action, and the handlers, of which one reads the
// request and one does what it asks.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.Query("AddPermission", key.SetTopic, readAddPermission, f.addPermission),
		aws.Query("ConfirmSubscription", key.ConfirmSubscription, readConfirm, f.confirmSubscription).Unsigned(),
		aws.Query("CreateTopic", key.CreateTopic, readCreateTopic, f.createTopic),
		aws.Query("DeleteTopic", key.DeleteTopic, readTopicARN, f.deleteTopic),
		aws.Query("GetSubscriptionAttributes", key.GetSubscription, readSubscriptionARN, f.getSubscriptionAttributes),
		aws.Query("GetTopicAttributes", key.GetTopic, readTopicARN, f.getTopicAttributes),
		aws.Query("ListSubscriptions", key.ListSubscriptions, readMarker, f.listSubscriptions),
		aws.Query("ListSubscriptionsByTopic", key.ListTopicSubscriptions, readListByTopic, f.listSubscriptionsByTopic),
		aws.Query("ListTagsForResource", key.ListTopicTags, readResourceARN, f.listTagsForResource),
		aws.Query("ListTopics", key.ListTopics, readMarker, f.listTopics),
		aws.Query("Publish", key.Publish, readPublish, f.publish).UpTo(maxPublish),
		aws.Query("PublishBatch", key.Publish, readPublishBatch, f.publishBatch).UpTo(maxPublish),
		aws.Query("RemovePermission", key.SetTopic, readRemovePermission, f.removePermission),
		aws.Query("SetSubscriptionAttributes", key.SetSubscription, readSetSubscription, f.setSubscriptionAttributes),
		aws.Query("SetTopicAttributes", key.SetTopic, readSetTopic, f.setTopicAttributes),
		aws.Query("Subscribe", key.Subscribe, readSubscribe, f.subscribe),
		aws.Query("TagResource", key.TagTopic, readTagResource, f.tagResource),
		aws.Query("Unsubscribe", key.Unsubscribe, readSubscriptionARN, f.unsubscribe).Unsigned(),
		aws.Query("UntagResource", key.UntagTopic, readUntagResource, f.untagResource),
	}
}

// unserved are Amazon SNS's other operations (AWS SDK for Go v2, sns 1.47.9):
// telephones, applications on them, and data protection policies.
var unserved = []string{
	"CheckIfPhoneNumberIsOptedOut", "CreatePlatformApplication", "CreatePlatformEndpoint", "CreateSMSSandboxPhoneNumber",
	"DeleteEndpoint", "DeletePlatformApplication", "DeleteSMSSandboxPhoneNumber", "GetDataProtectionPolicy",
	"GetEndpointAttributes", "GetPlatformApplicationAttributes", "GetSMSAttributes", "GetSMSSandboxAccountStatus",
	"ListEndpointsByPlatformApplication", "ListOriginationNumbers", "ListPhoneNumbersOptedOut", "ListPlatformApplications",
	"ListSMSSandboxPhoneNumbers", "OptInPhoneNumber", "PutDataProtectionPolicy", "SetEndpointAttributes",
	"SetPlatformApplicationAttributes", "SetSMSAttributes", "VerifySMSSandboxPhoneNumber",
}

// Operations returns all operations of Amazon SNS in the order of their names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved) }
