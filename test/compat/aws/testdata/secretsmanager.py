"""Secrets from Python: every operation, with the exceptions that programs catch.
At the end, the job of a program that issues a certificate and files it with its
key: the first time as a new secret, then as its next version."""
import datetime
import json
import time

import boto3
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

secrets = boto3.client("secretsmanager")
pca = boto3.client("acm-pca")
run = str(time.time_ns())
name = "py/" + run


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{arguments} was taken, want {code}")


def current(secret):
    return secrets.get_secret_value(SecretId=secret)


made = secrets.create_secret(Name=name, SecretString="one", ClientRequestToken="1" * 32, Tags=[{"Key": "a", "Value": "b"}])
again = secrets.create_secret(Name=name, SecretString="one", ClientRequestToken="1" * 32)
assert made["ARN"] == again["ARN"] and again["VersionId"] == "1" * 32, again
try:
    secrets.create_secret(Name=name, SecretString="two")
    raise AssertionError("a name was given twice")
except secrets.exceptions.ResourceExistsException:
    pass

# Versions: each token is one, with one value.
put = secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken="2" * 32)
assert put["VersionStages"] == ["AWSCURRENT"], put
secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken="2" * 32)
assert "2" * 32 in refused("ResourceExistsException", secrets.put_secret_value, SecretId=name, SecretString="3", ClientRequestToken="2" * 32)
secrets.put_secret_value(SecretId=name, SecretBinary=b"\x00\xff", VersionStages=["AWSPENDING", "blue"], ClientRequestToken="3" * 32)
assert secrets.get_secret_value(SecretId=name, VersionStage="AWSPENDING")["SecretBinary"] == b"\x00\xff"
assert current(name)["SecretString"] == "two"
assert "staging label: green" in refused("ResourceNotFoundException", secrets.get_secret_value, SecretId=name, VersionStage="green")
secrets.update_secret_version_stage(SecretId=name, VersionStage="blue", RemoveFromVersionId="3" * 32, MoveToVersionId="1" * 32)
described = secrets.describe_secret(SecretId=made["ARN"])
assert described["VersionIdsToStages"] == {"1" * 32: ["AWSPREVIOUS", "blue"], "2" * 32: ["AWSCURRENT"], "3" * 32: ["AWSPENDING"]}, described
assert described["LastAccessedDate"].date() <= datetime.datetime.now(datetime.timezone.utc).date() and "KmsKeyId" not in described
secrets.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId="3" * 32)
versions = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]
assert [v["VersionId"][0] for v in versions] == ["1", "2", "3"] and "VersionStages" not in versions[2], versions
assert versions[0]["KmsKeyIds"] == ["DefaultEncryptionKey"]
updated = secrets.update_secret(SecretId=name, Description="changed")
assert "VersionId" not in updated and secrets.describe_secret(SecretId=name)["Description"] == "changed"

# The key that seals them is there for its account to see, and for nobody to change.
keys = boto3.client("kms")
own = keys.describe_key(KeyId="alias/aws/secretsmanager")["KeyMetadata"]
assert own["KeyManager"] == "AWS" and keys.get_key_rotation_status(KeyId=own["KeyId"])["KeyRotationEnabled"]
refused("AccessDeniedException", keys.schedule_key_deletion, KeyId=own["KeyId"], PendingWindowInDays=7)
refused("AccessDeniedException", keys.generate_data_key, KeyId=own["KeyId"], KeySpec="AES_256")

# Policies.
policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}}
checked = secrets.validate_resource_policy(SecretId=name, ResourcePolicy=json.dumps(policy))
assert not checked["PolicyValidationPassed"] and checked["ValidationErrors"], checked
refused("PublicPolicyException", secrets.put_resource_policy, SecretId=name, ResourcePolicy=json.dumps(policy), BlockPublicPolicy=True)
refused("MalformedPolicyDocumentException", secrets.put_resource_policy, SecretId=name, ResourcePolicy="{")
policy["Statement"]["Principal"] = {"AWS": "arn:aws:iam::999999999999:root"}
secrets.put_resource_policy(SecretId=name, ResourcePolicy=json.dumps(policy), BlockPublicPolicy=True)
assert json.loads(secrets.get_resource_policy(SecretId=name)["ResourcePolicy"]) == policy
secrets.delete_resource_policy(SecretId=name)
assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId=name)

# Many at once, in pages.
others = [f"{name}/{n}" for n in range(3)]
for other in others:
    secrets.create_secret(Name=other, SecretString=other)
batch = secrets.batch_get_secret_value(SecretIdList=[others[0], "none/" + run])
assert [s["SecretString"] for s in batch["SecretValues"]] == others[:1], batch
assert [e["ErrorCode"] for e in batch["Errors"]] == ["ResourceNotFoundException"], batch
found, more = [], {}
while True:
    page = secrets.batch_get_secret_value(Filters=[{"Key": "name", "Values": [name + "/"]}], MaxResults=2, **more)
    found += [s["SecretString"] for s in page["SecretValues"]]
    if "NextToken" not in page:
        break
    more = {"NextToken": page["NextToken"]}
assert sorted(found) == others, found
pages = secrets.get_paginator("list_secrets").paginate(
    Filters=[{"Key": "name", "Values": [name + "/"]}], SortOrder="asc", PaginationConfig={"PageSize": 1})
assert [s["Name"] for p in pages for s in p["SecretList"]] == others
secrets.tag_resource(SecretId=others[0], Tags=[{"Key": "colour", "Value": "blue"}])
assert [s["Name"] for s in secrets.list_secrets(Filters=[{"Key": "all", "Values": ["BLUE " + run]}])["SecretList"]] == others[:1]
secrets.untag_resource(SecretId=others[0], TagKeys=["colour"])
password = secrets.get_random_password(PasswordLength=40, ExcludeCharacters="lO0", IncludeSpace=True)["RandomPassword"]
assert len(password) == 40 and not set("lO0") & set(password), password

# The end.
for other in others:
    secrets.delete_secret(SecretId=other, ForceDeleteWithoutRecovery=True)
gone = secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)["DeletionDate"]
assert 6 <= (gone - datetime.datetime.now(datetime.timezone.utc)).days <= 7, gone
refused("InvalidRequestException", secrets.get_secret_value, SecretId=name)
assert name in [s["Name"] for s in secrets.list_secrets(IncludePlannedDeletion=True, Filters=[{"Key": "name", "Values": [name]}])["SecretList"]]
secrets.restore_secret(SecretId=name)
secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
refused("InvalidParameterException", secrets.delete_secret, SecretId=name, RecoveryWindowInDays=3)
refused("UnsupportedOperationException", secrets.create_secret, Name=name, AddReplicaRegions=[{"Region": "us-west-2"}])
refused("UnsupportedOperationException", secrets.rotate_secret, SecretId=name)


def authority():
    """Makes a root, activates it, and returns its ARN."""
    arn = pca.create_certificate_authority(
        CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": "EC_prime256v1", "SigningAlgorithm": "SHA256WITHECDSA", "Subject": {"CommonName": "Filing " + run},
        },
    )["CertificateAuthorityArn"]
    request = pca.get_certificate_authority_csr(CertificateAuthorityArn=arn)["Csr"]
    issued = pca.issue_certificate(
        CertificateAuthorityArn=arn, Csr=request.encode(), SigningAlgorithm="SHA256WITHECDSA",
        TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1", Validity={"Value": 5, "Type": "YEARS"},
    )["CertificateArn"]
    own = pca.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)["Certificate"]
    pca.import_certificate_authority_certificate(CertificateAuthorityArn=arn, Certificate=own.encode())
    return arn


def file_certificate(arn, host):
    """Makes a key, has it certified, and files both; returns the secret's version."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False).sign(private, hashes.SHA256())
    issued = pca.issue_certificate(
        CertificateAuthorityArn=arn, Csr=request.public_bytes(serialization.Encoding.PEM),
        SigningAlgorithm="SHA256WITHECDSA", Validity={"Value": 30, "Type": "DAYS"},
    )["CertificateArn"]
    answer = pca.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)
    content = json.dumps({
        "pem": answer["Certificate"], "issuers": answer["CertificateChain"],
        "key": private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
    })
    where = "filed/" + host
    try:
        return secrets.create_secret(Name=where, SecretString=content)["VersionId"]
    except secrets.exceptions.ResourceExistsException:
        return secrets.update_secret(SecretId=where, SecretString=content)["VersionId"]


ca = authority()
host = f"h{run}.example.com"
old, new = file_certificate(ca, host), file_certificate(ca, host)
assert secrets.describe_secret(SecretId="filed/" + host)["VersionIdsToStages"] == {old: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}
filed = json.loads(current("filed/" + host)["SecretString"])
cert = x509.load_pem_x509_certificate(filed["pem"].encode())
key = serialization.load_pem_private_key(filed["key"].encode(), None)
assert cert.public_key() == key.public_key()
cert.verify_directly_issued_by(x509.load_pem_x509_certificate(filed["issuers"].encode()))
secrets.delete_secret(SecretId="filed/" + host, ForceDeleteWithoutRecovery=True)
pca.update_certificate_authority(CertificateAuthorityArn=ca, Status="DISABLED")
pca.delete_certificate_authority(CertificateAuthorityArn=ca, PermanentDeletionTimeInDays=7)
