"""AWS CloudHSM's 18 operations and KMS's custom key stores with boto3: $pin is the password of the pool's tokens."""
import datetime
import os
import time

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

hsms, kms = boto3.client("cloudhsmv2"), boto3.client("kms")
region, account = hsms.meta.region_name, boto3.client("sts").get_caller_identity()["Account"]
now = datetime.datetime.now(datetime.timezone.utc)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def certificate(subject, issuer, public, private, ca):
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).sign(private, hashes.SHA256()))


def refused(exception, call, **arguments):
    try:
        call(**arguments)
    except exception:
        return
    raise AssertionError(f"{call} is not refused")


# A cluster, from nothing to active.
made = hsms.create_cluster(HsmType="hsm1.medium", SubnetIds=["subnet-12345678", "subnet-87654321"],
                           BackupRetentionPolicy={"Type": "DAYS", "Value": "30"}, TagList=[{"Key": "team", "Value": "pki"}])["Cluster"]
cluster = made["ClusterId"]
assert made["State"] == "UNINITIALIZED" and made["SubnetMapping"] == {region + "a": "subnet-12345678", region + "b": "subnet-87654321"}
hsm = hsms.create_hsm(ClusterId=cluster, AvailabilityZone=region + "a")["Hsm"]
assert hsm["State"] == "ACTIVE" and hsm["ClusterId"] == cluster, hsm


def described():
    pages = hsms.get_paginator("describe_clusters").paginate(Filters={"clusterIds": [cluster]}, PaginationConfig={"PageSize": 1})
    (one,) = [c for page in pages for c in page["Clusters"]]
    return one


csr = x509.load_pem_x509_csr(described()["Certificates"]["ClusterCsr"].encode())
assert csr.is_signature_valid
root = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Customer CA")])
anchor = certificate(name, name, root.public_key(), root, True)
signed = certificate(csr.subject, name, csr.public_key(), root, False)
refused(hsms.exceptions.CloudHsmInvalidRequestException, hsms.initialize_cluster, ClusterId=cluster, SignedCert=pem(anchor), TrustAnchor=pem(anchor))
assert hsms.initialize_cluster(ClusterId=cluster, SignedCert=pem(signed), TrustAnchor=pem(anchor))["State"] == "ACTIVE"
assert described()["Certificates"] == {"ClusterCertificate": pem(signed)}
assert hsms.modify_cluster(ClusterId=cluster, BackupRetentionPolicy={"Type": "DAYS", "Value": "7"})["Cluster"]["BackupRetentionPolicy"]["Value"] == "7"
refused(hsms.exceptions.CloudHsmInvalidRequestException, hsms.delete_cluster, ClusterId=cluster)

# Tags of it.
hsms.tag_resource(ResourceId=cluster, TagList=[{"Key": "env", "Value": "test"}])
hsms.untag_resource(ResourceId=cluster, TagKeyList=["team"])
assert hsms.list_tags(ResourceId=cluster)["TagList"] == [{"Key": "env", "Value": "test"}]

# Its backup.
(backup,) = hsms.describe_backups(Filters={"clusterIds": [cluster], "states": ["READY"]})["Backups"]
assert backup["ClusterId"] == cluster and backup["BackupArn"] == f"arn:aws:cloudhsm:{region}:{account}:backup/{backup['BackupId']}", backup
assert hsms.modify_backup_attributes(BackupId=backup["BackupId"], NeverExpires=True)["Backup"]["NeverExpires"]
copied = hsms.copy_backup_to_region(BackupId=backup["BackupId"], DestinationRegion="eu-west-1")["DestinationBackup"]
assert copied["SourceBackup"] == backup["BackupId"] and copied["SourceRegion"] == region
elsewhere = boto3.client("cloudhsmv2", region_name="eu-west-1")
assert elsewhere.describe_backups(Filters={"sourceBackupIds": [backup["BackupId"]]})["Backups"][0]["SourceCluster"] == cluster
policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"cloudhsm:DescribeBackups","Resource":"*"}}'
arn = backup["BackupArn"]
refused(hsms.exceptions.CloudHsmResourceNotFoundException, hsms.get_resource_policy, ResourceArn=arn)
assert hsms.put_resource_policy(ResourceArn=arn, Policy=policy)["Policy"] == policy
assert hsms.get_resource_policy(ResourceArn=arn)["Policy"] == policy
assert hsms.delete_resource_policy(ResourceArn=arn)["Policy"] == policy
assert hsms.delete_backup(BackupId=backup["BackupId"])["Backup"]["BackupState"] == "PENDING_DELETION"
assert hsms.restore_backup(BackupId=backup["BackupId"])["Backup"]["BackupState"] == "READY"

# A key store over it, and keys in that.
wanted = {"CustomKeyStoreName": "boto3", "CloudHsmClusterId": cluster, "TrustAnchorCertificate": pem(anchor), "KeyStorePassword": os.environ["pin"]}
store = kms.create_custom_key_store(**wanted)["CustomKeyStoreId"]
kms.delete_custom_key_store(CustomKeyStoreId=store)
store = kms.create_custom_key_store(**wanted)["CustomKeyStoreId"]


def entry():
    (one,) = kms.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"]
    return one


kms.connect_custom_key_store(CustomKeyStoreId=store)
deadline = time.monotonic() + 60
while entry()["ConnectionState"] == "CONNECTING" and time.monotonic() < deadline:
    time.sleep(0.1)
assert entry()["ConnectionState"] == "CONNECTED", entry()
key = kms.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=store)["KeyMetadata"]
assert key["Origin"] == "AWS_CLOUDHSM" and key["CloudHsmClusterId"] == cluster and key["KeySpec"] == "SYMMETRIC_DEFAULT", key
sealed = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == sealed["Plaintext"]
kms.update_custom_key_store(CustomKeyStoreId=store, NewCustomKeyStoreName="renamed")
assert entry()["CustomKeyStoreName"] == "renamed"
kms.disconnect_custom_key_store(CustomKeyStoreId=store)
assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Unavailable"
refused(kms.exceptions.KMSInvalidStateException, kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"])
refused(kms.exceptions.CustomKeyStoreHasCMKsException, kms.delete_custom_key_store, CustomKeyStoreId=store)

# The end of the cluster leaves a backup more, with the key in its record.
hsms.delete_hsm(ClusterId=cluster, HsmId=hsm["HsmId"])
assert len(hsms.describe_backups(Filters={"clusterIds": [cluster]})["Backups"]) == 2
assert hsms.delete_cluster(ClusterId=cluster)["Cluster"]["State"] == "DELETED"
print(f"boto3 {boto3.__version__}: a cluster, its backups, a key store and a key in it")
