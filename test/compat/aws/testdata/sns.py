"""Topics from Python: an endpoint of the program's own subscribes, confirms, gets
messages, and verifies their signatures with the cryptography library, by what
the Amazon SNS Developer Guide says of them."""
import base64
import http.server
import json
import os
import queue
import ssl
import threading
import time
import urllib.request

import boto3
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

sns = boto3.client("sns")
kms = boto3.client("kms")
run = "py" + str(time.time_ns())
inbox = queue.Queue()


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        inbox.put((self.path, self.headers, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
trust = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))


def get(url):
    with urllib.request.urlopen(url, context=trust) as answer:
        return answer.read()


def arrived(path):
    """Returns the next delivery, which must be to the path."""
    at, headers, body = inbox.get(timeout=20)
    assert at == path, (at, path)
    return headers, body


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return
    raise AssertionError(f"{call} was not refused")


def verify(message):
    """Verifies a message's signature, and that it is over all of it."""
    fields = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        fields = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    digest = {"1": hashes.SHA1, "2": hashes.SHA256}[message["SignatureVersion"]]()
    key = x509.load_pem_x509_certificate(get(message["SigningCertURL"])).public_key()
    signature = base64.b64decode(message["Signature"])

    def check(m):
        text = "".join(f"{f}\n{m[f]}\n" for f in fields if f in m)
        key.verify(signature, text.encode(), padding.PKCS1v15(), digest)

    check(message)
    try:
        check(message | {"Message": message["Message"] + "!"})
    except InvalidSignature:
        return
    raise AssertionError("a changed message verifies")


def subscribe(topic, path, **attributes):
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=base + path, Attributes=attributes, ReturnSubscriptionArn=True)
    headers, body = arrived(path)
    message = json.loads(body)
    assert headers["x-amz-sns-message-type"] == message["Type"] == "SubscriptionConfirmation", message
    verify(message)
    return answer["SubscriptionArn"], message


for version in ("1", "2"):
    topic = sns.create_topic(Name=f"{run}-{version}", Attributes={"SignatureVersion": version})["TopicArn"]
    arn, message = subscribe(topic, "/all")
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    refused("InvalidParameter", sns.confirm_subscription, TopicArn=topic, Token="0" * 96)
    assert arn.encode() in get(message["SubscribeURL"])  # as a receiver does: nothing is signed
    sns.publish(TopicArn=topic, Message="größer <&> \"kleiner\"\nzwei", Subject="Ein Betreff")
    headers, body = arrived("/all")
    message = json.loads(body)
    verify(message)
    assert headers["x-amz-sns-subscription-arn"] == arn and message["Message"].endswith("kleiner\"\nzwei"), message
    get(message["UnsubscribeURL"])
    headers, body = arrived("/all")
    verify(json.loads(body))
    assert json.loads(body)["Type"] == "UnsubscribeConfirmation"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsDeleted"] == "1"

# Raw messages for who asks for them, and only those that a filter lets through.
raw, message = subscribe(topic, "/raw", RawMessageDelivery="true", FilterPolicy='{"severity": ["high", {"prefix": "crit"}]}')
assert sns.confirm_subscription(TopicArn=topic, Token=message["Token"], AuthenticateOnUnsubscribe="true")["SubscriptionArn"] == raw
attributes = {"severity": {"DataType": "String", "StringValue": "low"}, "b": {"DataType": "Binary", "BinaryValue": b"\0"}}
sns.publish(TopicArn=topic, Message="ignored", MessageAttributes=attributes)
attributes["severity"]["StringValue"] = "critical"
sns.publish(TopicArn=topic, Message=json.dumps({"default": "for all", "http": "for programs"}), MessageStructure="json", MessageAttributes=attributes)
headers, body = arrived("/raw")
assert body == b"for programs" and headers["x-amz-sns-rawdelivery"] == "true", body
try:
    get(message["SubscribeURL"].split("?")[0] + "?Action=Unsubscribe&SubscriptionArn=" + raw)
    raise AssertionError("a guarded subscription was ended by a link")
except urllib.error.HTTPError as e:
    assert e.code == 403, e

# On bodies; a whole batch.
sns.set_subscription_attributes(SubscriptionArn=raw, AttributeName="FilterPolicyScope", AttributeValue="MessageBody")
sns.set_subscription_attributes(SubscriptionArn=raw, AttributeName="FilterPolicy", AttributeValue='{"order": {"total": [{"numeric": [">", 100]}]}}')
entries = [{"Id": str(n), "Message": json.dumps({"order": {"total": n}})} for n in (50, 150, 250)]
answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
assert [e["Id"] for e in answer["Successful"]] == ["50", "150", "250"] and not answer.get("Failed"), answer
assert {json.loads(arrived("/raw")[1])["order"]["total"] for _ in range(2)} == {150, 250}
listed = [s for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic) for s in page["Subscriptions"]]
assert sorted(s["SubscriptionArn"] for s in listed) == sorted([raw, "Deleted"]), listed
assert raw in [s["SubscriptionArn"] for page in sns.get_paginator("list_subscriptions").paginate() for s in page["Subscriptions"]]

# Under a key: the publisher has to be let use it.
key = kms.create_key()["KeyMetadata"]["KeyId"]
sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key)
sns.publish(TopicArn=topic, Message=json.dumps({"order": {"total": 1000}}))
assert json.loads(arrived("/raw")[1])["order"]["total"] == 1000
kms.disable_key(KeyId=key)
refused("KMSDisabled", sns.publish, TopicArn=topic, Message="x")
kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)

sns.add_permission(TopicArn=topic, Label="x", AWSAccountId=["210987654321"], ActionName=["Publish"])
sns.remove_permission(TopicArn=topic, Label="x")
sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "b"}])
assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "b"}]
sns.untag_resource(ResourceArn=topic, TagKeys=["a"])
assert topic in [t["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for t in page["Topics"]]
sns.unsubscribe(SubscriptionArn=raw)
refused("NotFound", sns.get_subscription_attributes, SubscriptionArn=raw)
refused("InvalidParameter", sns.get_topic_attributes, TopicArn="orders")
refused("ResourceNotFound", sns.list_tags_for_resource, ResourceArn=topic + "x")
for version in ("1", "2"):
    sns.delete_topic(TopicArn=f"{topic[:-1]}{version}")
assert inbox.empty(), inbox.get()
