"""Records what botocore sends for each operation that Holdfast serves.

    python3 internal/front/aws/sns/testdata/record.py

writes requests/*.http beside itself, as kms/testdata/record.py does for KMS.
"""
import importlib.util
import os

TOPIC = "arn:aws:sns:us-east-1:123456789012:orders"
SUBSCRIPTION = TOPIC + ":28f019d6-e4c1-4953-a2db-28ad86317b5c"

SNS = {
    "AddPermission": {"TopicArn": TOPIC, "Label": "partner", "AWSAccountId": ["210987654321"], "ActionName": ["Publish", "Subscribe"]},
    "ConfirmSubscription": {"TopicArn": TOPIC, "Token": "0123abcd", "AuthenticateOnUnsubscribe": "true"},
    "CreateTopic": {"Name": "orders", "Attributes": {"DisplayName": "Orders & more", "SignatureVersion": "2", "KmsMasterKeyId": "alias/web"},
                    "Tags": [{"Key": "team", "Value": "pki"}, {"Key": "empty", "Value": ""}]},
    "DeleteTopic": {"TopicArn": TOPIC},
    "GetSubscriptionAttributes": {"SubscriptionArn": SUBSCRIPTION},
    "GetTopicAttributes": {"TopicArn": TOPIC},
    "ListSubscriptions": {},
    "ListSubscriptionsByTopic": {"TopicArn": TOPIC},
    "ListTagsForResource": {"ResourceArn": TOPIC},
    "ListTopics": {},
    "Publish": {"TopicArn": TOPIC, "Message": '{"default": "Ünïcode <&>", "email": "for people"}', "Subject": "A subject",
                "MessageStructure": "json",
                "MessageAttributes": {"severity": {"DataType": "String", "StringValue": "high"},
                                      "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}},
    "PublishBatch": {"TopicArn": TOPIC, "PublishBatchRequestEntries": [
        {"Id": "a", "Message": "first"}, {"Id": "b", "Message": "second", "Subject": "two\nlines"}]},
    "RemovePermission": {"TopicArn": TOPIC, "Label": "own"},
    "SetSubscriptionAttributes": {"SubscriptionArn": SUBSCRIPTION, "AttributeName": "FilterPolicy",
                                  "AttributeValue": '{"severity": ["high"]}'},
    "SetTopicAttributes": {"TopicArn": TOPIC, "AttributeName": "DeliveryPolicy", "AttributeValue":
                           '{"http": {"defaultHealthyRetryPolicy": {"numRetries": 5}, "disableSubscriptionOverrides": true}}'},
    "Subscribe": {"TopicArn": TOPIC, "Protocol": "https", "Endpoint": "https://hooks.example.com/sns?a=b",
                  "Attributes": {"RawMessageDelivery": "true", "FilterPolicy": '{"order": ["x"]}', "FilterPolicyScope": "MessageBody"},
                  "ReturnSubscriptionArn": True},
    "TagResource": {"ResourceArn": TOPIC, "Tags": [{"Key": "team", "Value": "pki"}]},
    "Unsubscribe": {"SubscriptionArn": SUBSCRIPTION},
    "UntagResource": {"ResourceArn": TOPIC, "TagKeys": ["team", "other"]},
}

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "..", "..", "kms", "testdata", "record.py")
    spec = importlib.util.spec_from_file_location("recorder", path)
    recorder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorder)
    for name, args in SNS.items():
        recorder.record("sns", name, args, os.path.join(here, "requests"))
