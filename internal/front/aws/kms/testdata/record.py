"""Records what botocore sends for each operation that Holdfast serves.

    python3 internal/front/aws/kms/testdata/record.py

writes kms/testdata/requests/*.http and sts/testdata/requests/*.http: whole
HTTP/1.1 requests, signed with the key of AWS's signing test suite at the time
of recording. Nothing is sent anywhere.
"""
import datetime
import os
import urllib.parse

import botocore
import botocore.awsrequest
import botocore.session

KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = "arn:aws:kms:us-east-1:123456789012:key/" + KEY
STORE = "cks-1234567890abcdef0"
CONTEXT = {"Department": "IT", "Ünïcode": "\"quoted\" / slash"}

KMS = {
    "CancelKeyDeletion": {"KeyId": KEY},
    "ConnectCustomKeyStore": {"CustomKeyStoreId": STORE},
    "CreateAlias": {"AliasName": "alias/web", "TargetKeyId": KEY},
    "CreateCustomKeyStore": {"CustomKeyStoreName": "cloudhsm-keystore", "CloudHsmClusterId": "cluster-igklspoyj5v",
                             "TrustAnchorCertificate": "-----BEGIN CERTIFICATE-----\n", "KeyStorePassword": "kmsuser-\"password\""},
    "CreateKey": {"Description": "Signs \"things\"", "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY",
                  "Tags": [{"TagKey": "team", "TagValue": "pki"}, {"TagKey": "empty", "TagValue": ""}],
                  "MultiRegion": False, "Origin": "AWS_KMS"},
    "Decrypt": {"CiphertextBlob": b"\x01\x02ciphertext", "EncryptionContext": CONTEXT},
    "DeleteAlias": {"AliasName": "alias/web"},
    "DeleteCustomKeyStore": {"CustomKeyStoreId": STORE},
    "DeleteImportedKeyMaterial": {"KeyId": KEY, "KeyMaterialId": "1" * 64},
    "DeriveSharedSecret": {"KeyId": ARN, "KeyAgreementAlgorithm": "ECDH", "PublicKey": b"\x30public\xff", "DryRun": False},
    "DescribeCustomKeyStores": {"CustomKeyStoreName": "cloudhsm-keystore", "Limit": 5},
    "DescribeKey": {"KeyId": "alias/web"},
    "DisableKey": {"KeyId": ARN},
    "DisableKeyRotation": {"KeyId": KEY},
    "DisconnectCustomKeyStore": {"CustomKeyStoreId": STORE},
    "EnableKey": {"KeyId": KEY},
    "EnableKeyRotation": {"KeyId": KEY, "RotationPeriodInDays": 180},
    "Encrypt": {"KeyId": "alias/web", "Plaintext": b"\x00binary\xff", "EncryptionContext": CONTEXT},
    "GenerateDataKey": {"KeyId": ARN, "KeySpec": "AES_256", "EncryptionContext": CONTEXT},
    "GenerateDataKeyWithoutPlaintext": {"KeyId": KEY, "NumberOfBytes": 64},
    "GenerateMac": {"KeyId": KEY, "MacAlgorithm": "HMAC_SHA_256", "Message": b"message"},
    "GenerateRandom": {"NumberOfBytes": 16},
    "GetKeyPolicy": {"KeyId": KEY, "PolicyName": "default"},
    "GetKeyRotationStatus": {"KeyId": KEY},
    "GetParametersForImport": {"KeyId": KEY, "WrappingAlgorithm": "RSA_AES_KEY_WRAP_SHA_256", "WrappingKeySpec": "RSA_4096"},
    "GetPublicKey": {"KeyId": "arn:aws:kms:us-east-1:123456789012:alias/web"},
    "ImportKeyMaterial": {"KeyId": ARN, "ImportToken": b"token", "EncryptedKeyMaterial": b"\x00wrapped\xff",
                          "ExpirationModel": "KEY_MATERIAL_EXPIRES",
                          "ValidTo": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=300),
                          "ImportType": "NEW_KEY_MATERIAL", "KeyMaterialDescription": "from the safe: 2026/11"},
    "ListAliases": {"KeyId": KEY, "Limit": 2},
    "ListKeyPolicies": {"KeyId": KEY},
    "ListKeyRotations": {"KeyId": KEY, "Limit": 1, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"},
    "ListKeys": {},
    "ListResourceTags": {"KeyId": KEY},
    "PutKeyPolicy": {"KeyId": KEY, "Policy": '{\n  "Version": "2012-10-17"\n}', "BypassPolicyLockoutSafetyCheck": True},
    "ReEncrypt": {"CiphertextBlob": b"ciphertext", "DestinationKeyId": KEY, "SourceEncryptionContext": CONTEXT,
                  "DestinationEncryptionContext": {"a": "b"}},
    "RotateKeyOnDemand": {"KeyId": KEY},
    "ScheduleKeyDeletion": {"KeyId": KEY, "PendingWindowInDays": 7},
    "Sign": {"KeyId": "alias/web", "Message": b"d" * 32, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"},
    "TagResource": {"KeyId": KEY, "Tags": [{"TagKey": "team", "TagValue": "pki"}]},
    "UntagResource": {"KeyId": KEY, "TagKeys": ["team", "other"]},
    "UpdateAlias": {"AliasName": "alias/web", "TargetKeyId": ARN},
    "UpdateCustomKeyStore": {"CustomKeyStoreId": STORE, "NewCustomKeyStoreName": "renamed", "KeyStorePassword": "password",
                             "CloudHsmClusterId": "cluster-igklspoyj5v"},
    "UpdateKeyDescription": {"KeyId": KEY, "Description": ""},
    "Verify": {"KeyId": KEY, "Message": b"message", "Signature": b"signature", "SigningAlgorithm": "RSASSA_PSS_SHA_256"},
    "VerifyMac": {"KeyId": KEY, "MacAlgorithm": "HMAC_SHA_512", "Message": b"message", "Mac": b"mac"},
}


def client(service, protocol=None):
    """A client that speaks the protocol, where the service has several."""
    session = botocore.session.Session()
    if protocol:
        loader = session.get_component("data_loader")
        load = loader.load_service_model

        def choose(name, kind, *args, **kwargs):
            model = load(name, kind, *args, **kwargs)
            if kind == "service-2":
                model["metadata"].update(protocol=protocol, protocols=[protocol])
            return model

        loader.load_service_model = choose
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    return session.create_client(service, region_name="us-east-1", endpoint_url="http://127.0.0.1:8080")


def record(service, operation, arguments, folder, protocol=None):
    captured = []

    def capture(request, **_):
        captured.append(request)
        body = b"{}"
        if service in ("sts", "sns") or protocol == "query":
            body = f"<r><{operation}Result/><ResponseMetadata/></r>".encode()
        elif protocol == "smithy-rpc-v2-cbor":
            body = b"\xbf\xff"

        class Raw:
            def stream(self):
                yield body

        return botocore.awsrequest.AWSResponse(request.url, 200, {}, Raw())

    c = client(service, protocol)
    c.meta.events.register("before-send", capture)
    method = botocore.xform_name(operation)
    getattr(c, method)(**arguments)
    request = captured[0]
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    url = urllib.parse.urlsplit(request.url)
    head = [f"{request.method} {urllib.parse.urlunsplit(('', '', url.path or '/', url.query, ''))} HTTP/1.1", "Host: 127.0.0.1:8080"]
    for name, value in request.headers.items():
        value = value.decode() if isinstance(value, bytes) else value
        if name == "User-Agent":  # it is not signed, and says which machine recorded
            value = "Botocore/" + botocore.__version__
        head.append(f"{name}: {value}")
    if "Content-Length" not in request.headers:
        head.append(f"Content-Length: {len(body)}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, operation + ".http"), "wb") as f:
        f.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    for name, args in KMS.items():
        record("kms", name, args, os.path.join(here, "requests"))
    record("sts", "GetCallerIdentity", {}, os.path.join(here, "..", "..", "sts", "testdata", "requests"))
