"""Managed certificates from Python: asked of a private CA, exported, renewed,
imported; judged by the cryptography library. At the end, the daily job of a
renewal manager."""
import datetime
import time

import boto3
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

acm = boto3.client("acm")
pca = boto3.client("acm-pca")
SIGNING = "SHA256WITHECDSA"
run = str(time.time_ns())
made = []


def authority():
    """Makes a root, activates it, and returns its ARN and certificate."""
    arn = pca.create_certificate_authority(
        CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": "EC_prime256v1", "SigningAlgorithm": SIGNING,
            "Subject": {"CommonName": "Root " + run, "Organization": "Example Corp"},
        },
    )["CertificateAuthorityArn"]
    csr = pca.get_certificate_authority_csr(CertificateAuthorityArn=arn)["Csr"]
    issued = pca.issue_certificate(
        CertificateAuthorityArn=arn, Csr=csr.encode(), SigningAlgorithm=SIGNING,
        TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1", Validity={"Value": 10, "Type": "YEARS"},
    )["CertificateArn"]
    own = pca.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)["Certificate"]
    pca.import_certificate_authority_certificate(CertificateAuthorityArn=arn, Certificate=own.encode())
    return arn, x509.load_pem_x509_certificate(own.encode())


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{arguments} was taken, want {code}")


def describe(arn):
    return acm.describe_certificate(CertificateArn=arn)["Certificate"]


def request(domain, **more):
    arn = acm.request_certificate(DomainName=domain, CertificateAuthorityArn=ca, **more)["CertificateArn"]
    made.append(arn)
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    return arn


def renewed(arn):
    """Waits for the outcome of the latest renewal."""
    for _ in range(30):
        summary = describe(arn).get("RenewalSummary", {})
        if summary.get("RenewalStatus") in ("SUCCESS", "FAILED"):
            return summary
        time.sleep(1)
    raise AssertionError("the renewal does not end")


ca, root = authority()
domain = f"web-{run}.example.com"
names = [domain, "api.example.com", "*.example.com"]

# A certificate, under one ARN however often it is asked for.
web = request(domain, SubjectAlternativeNames=names[1:], IdempotencyToken="t" + run,
              Tags=[{"Key": "env", "Value": "prod"}, {"Key": "bare"}])
again = acm.request_certificate(DomainName=domain, SubjectAlternativeNames=names[1:], CertificateAuthorityArn=ca,
                                IdempotencyToken="t" + run, Tags=[{"Key": "env", "Value": "prod"}, {"Key": "bare"}])
assert again["CertificateArn"] == web, again
content = acm.get_certificate(CertificateArn=web)
first = x509.load_pem_x509_certificate(content["Certificate"].encode())
first.verify_directly_issued_by(root)
assert x509.load_pem_x509_certificates(content["CertificateChain"].encode()) == [root]
san = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
assert sorted(san.get_values_for_type(x509.DNSName)) == sorted(names), san
assert datetime.timedelta(394) < first.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc) < datetime.timedelta(396)

d = describe(web)
want = {
    "CertificateArn": web, "DomainName": domain, "SubjectAlternativeNames": names, "Status": "ISSUED", "Type": "PRIVATE",
    "KeyAlgorithm": "RSA_2048", "CertificateAuthorityArn": ca, "InUseBy": [], "RenewalEligibility": "INELIGIBLE",
    "SignatureAlgorithm": SIGNING, "Subject": "CN=" + domain, "Issuer": "Example Corp",
    "NotAfter": first.not_valid_after_utc, "NotBefore": first.not_valid_before_utc,
}
for name, value in want.items():
    assert d[name] == value, (name, d[name], value)
assert int(d["Serial"].replace(":", ""), 16) == first.serial_number, d["Serial"]
assert {u["Name"] for u in d["KeyUsages"]} == {"DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"}, d
assert [u["Name"] for u in d["ExtendedKeyUsages"]] == ["TLS_WEB_SERVER_AUTHENTICATION", "TLS_WEB_CLIENT_AUTHENTICATION"], d

# Its key, for who has the passphrase; from then on it is renewed.
refused("ValidationException", acm.renew_certificate, CertificateArn=web)
out = acm.export_certificate(CertificateArn=web, Passphrase=b"correct horse")
key = serialization.load_pem_private_key(out["PrivateKey"].encode(), b"correct horse")
assert key.public_key() == first.public_key() and out["Certificate"] == content["Certificate"]
try:
    serialization.load_pem_private_key(out["PrivateKey"].encode(), b"wrong horse")
    raise AssertionError("a wrong passphrase opens the key")
except ValueError:
    pass
assert describe(web)["RenewalEligibility"] == "ELIGIBLE"

# Renewal needs the authority's permission.
acm.renew_certificate(CertificateArn=web)
summary = renewed(web)
assert summary["RenewalStatus"] == "FAILED" and summary["RenewalStatusReason"] == "PCA_ACCESS_DENIED", summary
pca.create_permission(CertificateAuthorityArn=ca, Principal="acm.amazonaws.com", Actions=["IssueCertificate", "GetCertificate", "ListPermissions"])
acm.renew_certificate(CertificateArn=web)
assert renewed(web)["RenewalStatus"] == "SUCCESS"
second = x509.load_pem_x509_certificate(acm.get_certificate(CertificateArn=web)["Certificate"].encode())
assert second.serial_number != first.serial_number and second.public_key() != first.public_key()
second.verify_directly_issued_by(root)

# Listings: RSA-2048 unless others are asked for, filters, both orders, pages.
curve = request(f"ec-{run}.example.com", KeyAlgorithm="EC_secp384r1")


def listed(**more):
    pages = acm.get_paginator("list_certificates").paginate(PaginationConfig={"PageSize": 3}, **more)
    return [s["CertificateArn"] for page in pages for s in page["CertificateSummaryList"]]


assert web in listed() and curve not in listed()
both = listed(Includes={"keyTypes": ["RSA_2048", "EC_secp384r1"]}, SortBy="CREATED_AT", SortOrder="DESCENDING")
assert both.index(curve) < both.index(web), both
assert web not in listed(Includes={"keyTypes": ["EC_secp384r1"]})
assert web in listed(CertificateStatuses=["ISSUED"]) and web not in listed(CertificateStatuses=["EXPIRED", "FAILED"])
assert web in listed(Includes={"extendedKeyUsage": ["TLS_WEB_SERVER_AUTHENTICATION"]})
assert web not in listed(Includes={"extendedKeyUsage": ["CODE_SIGNING"]})

# Tags and options.
acm.add_tags_to_certificate(CertificateArn=web, Tags=[{"Key": "env", "Value": "test"}, {"Key": "team", "Value": "pki"}])
acm.remove_tags_from_certificate(CertificateArn=web, Tags=[{"Key": "team", "Value": "other"}, {"Key": "bare"}])
tags = {t["Key"]: t.get("Value", "") for t in acm.list_tags_for_certificate(CertificateArn=web)["Tags"]}
assert tags == {"env": "test", "team": "pki"}, tags
acm.update_certificate_options(CertificateArn=web, Options={"CertificateTransparencyLoggingPreference": "DISABLED"})
assert describe(web)["Options"]["CertificateTransparencyLoggingPreference"] == "DISABLED"
refused("InvalidTagException", acm.add_tags_to_certificate, CertificateArn=web, Tags=[{"Key": "aws:x", "Value": ""}])

# Imports.
theirs = ec.generate_private_key(ec.SECP256R1())
now = datetime.datetime.now(datetime.timezone.utc)


def selfsigned(key, names, begins=now - datetime.timedelta(1), days=30):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begins)
    builder = builder.not_valid_after(begins + datetime.timedelta(days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pem(key, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


theirs_name = f"imported-{run}.example.com"
imported = acm.import_certificate(Certificate=selfsigned(theirs, [theirs_name]),
                                  PrivateKey=pem(theirs, serialization.PrivateFormat.TraditionalOpenSSL))["CertificateArn"]
made.append(imported)
d = describe(imported)
assert d["Type"] == "IMPORTED" and d["Status"] == "ISSUED" and d["DomainName"] == theirs_name and "ImportedAt" in d, d
other = ec.generate_private_key(ec.SECP256R1())
acm.import_certificate(CertificateArn=imported, Certificate=selfsigned(other, [theirs_name, "more.example.com"]), PrivateKey=pem(other))
assert "more.example.com" in describe(imported)["SubjectAlternativeNames"]
for certificate, private in [
    (selfsigned(theirs, [theirs_name]), pem(other)),
    (selfsigned(theirs, [theirs_name], now - datetime.timedelta(60)), pem(theirs)),
    (b"no certificate", pem(theirs)),
    (selfsigned(theirs, [theirs_name]), b"no key"),
]:
    refused("ValidationException", acm.import_certificate, Certificate=certificate, PrivateKey=private)
bigger = rsa.generate_private_key(65537, 2048)
refused("ValidationException", acm.import_certificate, CertificateArn=imported, Certificate=selfsigned(bigger, [theirs_name]), PrivateKey=pem(bigger))
refused("ValidationException", acm.export_certificate, CertificateArn=imported, Passphrase=b"correct horse")

# Settings of the account.
acm.put_account_configuration(IdempotencyToken="a" + run[:20], ExpiryEvents={"DaysBeforeExpiry": 30})
assert acm.get_account_configuration()["ExpiryEvents"]["DaysBeforeExpiry"] == 30
acm.put_account_configuration(IdempotencyToken="b" + run[:20], ExpiryEvents={"DaysBeforeExpiry": 45})

# Revoking, and what cannot be.
assert acm.revoke_certificate(CertificateArn=curve, RevocationReason="KEY_COMPROMISE")["CertificateArn"] == curve
d = describe(curve)
assert d["Status"] == "REVOKED" and d["RevocationReason"] == "KEY_COMPROMISE" and "RevokedAt" in d, d
nobody = web[:-12] + "000000000000"
assert nobody in refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=nobody)
refused("InvalidStateException", acm.resend_validation_email, CertificateArn=web, Domain=domain, ValidationDomain="example.com")

# The daily job: whatever ends within so many days, and its renewal.

def expiring(days):
    """Returns the certificates that end within so many days."""
    limit = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)
    found = []
    for page in acm.get_paginator("list_certificates").paginate(Includes={"keyTypes": ["RSA_2048", "EC_prime256v1"]}):
        for entry in page["CertificateSummaryList"]:
            detail = acm.describe_certificate(CertificateArn=entry["CertificateArn"])["Certificate"]
            if detail.get("NotAfter") and detail["NotAfter"] < limit:
                found.append({"arn": entry["CertificateArn"], "domain": entry["DomainName"], "type": detail["Type"]})
    return found


assert imported in [c["arn"] for c in expiring(31)] and web not in [c["arn"] for c in expiring(31)]
assert web in [c["arn"] for c in expiring(400)]
for certificate in expiring(400):
    if certificate["arn"] == web and certificate["type"] == "PRIVATE":
        acm.renew_certificate(CertificateArn=web)
assert renewed(web)["RenewalStatus"] == "SUCCESS"

for arn in made:
    acm.delete_certificate(CertificateArn=arn)
    refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=arn)
pca.update_certificate_authority(CertificateAuthorityArn=ca, Status="DISABLED")
pca.delete_certificate_authority(CertificateAuthorityArn=ca, PermanentDeletionTimeInDays=7)
