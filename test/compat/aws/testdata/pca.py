"""A private CA from Python: authorities of every kind of key, certificates of
templates that pass things through, judged by the cryptography library."""
import datetime
import json

import boto3
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

pca = boto3.client("acm-pca")
made = []


def template(name):
    return f"arn:aws:acm-pca:::template/{name}/V1"


def authority(key, signing, **more):
    """Makes a root and activates it."""
    arn = pca.create_certificate_authority(
        CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": key,
            "SigningAlgorithm": signing,
            "Subject": {"CommonName": f"Root of {key}", "Organization": "Example Corp", "Country": "TW"},
        },
        **more,
    )["CertificateAuthorityArn"]
    made.append(arn)
    csr = pca.get_certificate_authority_csr(CertificateAuthorityArn=arn)["Csr"]
    issued = pca.issue_certificate(
        CertificateAuthorityArn=arn,
        Csr=csr.encode(),
        SigningAlgorithm=signing,
        TemplateArn=template("RootCACertificate"),
        Validity={"Value": 10, "Type": "YEARS"},
    )["CertificateArn"]
    own = pca.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)
    assert "CertificateChain" not in own, own
    pca.import_certificate_authority_certificate(CertificateAuthorityArn=arn, Certificate=own["Certificate"].encode())
    return arn, x509.load_pem_x509_certificate(own["Certificate"].encode())


def request(key, subject, names=()):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def issue(arn, csr, signing, **more):
    more.setdefault("Validity", {"Value": 30, "Type": "DAYS"})
    issued = pca.issue_certificate(CertificateAuthorityArn=arn, Csr=csr, SigningAlgorithm=signing, **more)["CertificateArn"]
    answer = pca.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)
    return x509.load_pem_x509_certificate(answer["Certificate"].encode()), answer["CertificateChain"]


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{arguments} was taken, want {code}")


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


leaf = ec.generate_private_key(ec.SECP256R1())
csr = request(leaf, [x509.NameAttribute(NameOID.COMMON_NAME, "web.example.com")], ["web.example.com"])

# Every kind of key, as CA.
for key, signing in [
    ("RSA_2048", "SHA256WITHRSA"), ("RSA_3072", "SHA384WITHRSA"), ("RSA_4096", "SHA512WITHRSA"),
    ("EC_prime256v1", "SHA256WITHECDSA"), ("EC_secp384r1", "SHA384WITHECDSA"), ("EC_secp521r1", "SHA512WITHECDSA"),
    ("ML_DSA_44", "ML_DSA_44"), ("ML_DSA_65", "ML_DSA_65"), ("ML_DSA_87", "ML_DSA_87"),
]:
    arn, root = authority(key, signing)
    certificate, chain = issue(arn, csr, signing)
    if key.startswith("ML_DSA"):
        root.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes)
    else:
        certificate.verify_directly_issued_by(root)
    assert x509.load_pem_x509_certificates(chain.encode()) == [root]
    assert certificate.subject.rfc4514_string() == "CN=web.example.com", certificate.subject
    assert extension(certificate, x509.BasicConstraints).value.ca is False
    usage = extension(certificate, x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert list(extension(certificate, x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    constraints = extension(root, x509.BasicConstraints)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length is None
    described = pca.describe_certificate_authority(CertificateAuthorityArn=arn)["CertificateAuthority"]
    assert described["Status"] == "ACTIVE" and described["Serial"] == str(root.serial_number), described
    configuration = described["CertificateAuthorityConfiguration"]
    assert configuration == {
        "KeyAlgorithm": key, "SigningAlgorithm": signing,
        "Subject": {"CommonName": f"Root of {key}", "Organization": "Example Corp", "Country": "TW"},
    } or "CsrExtensions" in configuration, configuration

# What passes through: the template before the caller before the request.
arn, root = authority("EC_prime256v1", "SHA256WITHECDSA")
signing = "SHA256WITHECDSA"
passed = {
    "Subject": {"CommonName": "api", "OrganizationalUnit": "Devices"},
    "Extensions": {
        "KeyUsage": {"NonRepudiation": True, "DigitalSignature": True},
        "ExtendedKeyUsage": [{"ExtendedKeyUsageType": "SMART_CARD_LOGIN"}, {"ExtendedKeyUsageType": "CLIENT_AUTH"}],
        "SubjectAlternativeNames": [
            {"DnsName": "api.example.com"}, {"IpAddress": "10.1.2.3"}, {"Rfc822Name": "api@example.com"},
            {"UniformResourceIdentifier": "spiffe://example.com/api"}, {"DirectoryName": {"CommonName": "other"}},
            {"RegisteredId": "1.2.3.4"},
        ],
        "CertificatePolicies": [
            {"CertPolicyId": "1.3.6.1.4.1.99999.1", "PolicyQualifiers": [
                {"PolicyQualifierId": "CPS", "Qualifier": {"CpsUri": "https://example.com/cps"}}]},
        ],
        "CustomExtensions": [{"ObjectIdentifier": "1.3.6.1.4.1.99999.2", "Value": "BQA=", "Critical": False}],
    },
}
certificate, _ = issue(arn, csr, signing, TemplateArn=template("BlankEndEntityCertificate_APICSRPassthrough"), ApiPassthrough=passed)
assert {a.rfc4514_string() for a in certificate.subject} == {"CN=api", "OU=Devices"}, certificate.subject
assert extension(certificate, x509.KeyUsage).value.content_commitment
assert len(list(extension(certificate, x509.SubjectAlternativeName).value)) == 6
assert {u.dotted_string for u in extension(certificate, x509.ExtendedKeyUsage).value} == {"1.3.6.1.4.1.311.20.2.2", "1.3.6.1.5.5.7.3.2"}
assert extension(certificate, x509.CertificatePolicies).value[0].policy_identifier.dotted_string == "1.3.6.1.4.1.99999.1"
assert certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2")).value.value == b"\x05\x00"

certificate, _ = issue(arn, csr, signing, TemplateArn=template("EndEntityServerAuthCertificate_APIPassthrough"), ApiPassthrough=passed)
assert [u for u in extension(certificate, x509.ExtendedKeyUsage).value] == [ExtendedKeyUsageOID.SERVER_AUTH]
assert not extension(certificate, x509.KeyUsage).value.content_commitment

certificate, _ = issue(arn, csr, signing, ApiPassthrough=passed)  # not for this template: ignored
assert certificate.subject.rfc4514_string() == "CN=web.example.com"

certificate, _ = issue(
    arn, csr, signing, TemplateArn=template("BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough"),
    ApiPassthrough={"Subject": {"CustomAttributes": [
        {"ObjectIdentifier": "2.5.4.3", "Value": "node"}, {"ObjectIdentifier": "1.3.6.1.4.1.37244.1.1", "Value": "CACACACA00000001"}]}})
assert [a.oid.dotted_string for a in certificate.subject] == ["2.5.4.3", "1.3.6.1.4.1.37244.1.1"], certificate.subject
assert extension(certificate, x509.BasicConstraints).critical

for name, usage in [("CodeSigningCertificate", ExtendedKeyUsageOID.CODE_SIGNING), ("OCSPSigningCertificate", ExtendedKeyUsageOID.OCSP_SIGNING)]:
    certificate, _ = issue(arn, csr, signing, TemplateArn=template(name))
    extended = extension(certificate, x509.ExtendedKeyUsage)
    assert extended.critical and list(extended.value) == [usage]

# How long.
now = datetime.datetime.now(datetime.timezone.utc)
soon = now.replace(microsecond=0) + datetime.timedelta(days=40)
for validity in [{"Type": "ABSOLUTE", "Value": int(soon.timestamp())}, {"Type": "END_DATE", "Value": int(soon.strftime("%Y%m%d%H%M%S"))},
                 {"Type": "END_DATE", "Value": int(soon.strftime("%y%m%d%H%M%S"))}]:
    certificate, _ = issue(arn, csr, signing, Validity=validity)
    assert certificate.not_valid_after_utc == soon, (validity, certificate.not_valid_after_utc)
certificate, _ = issue(arn, csr, signing, Validity={"Type": "MONTHS", "Value": 2},
                       ValidityNotBefore={"Type": "ABSOLUTE", "Value": int(now.timestamp())})
assert abs((certificate.not_valid_before_utc - now).total_seconds()) < 2
refused("InvalidArgsException", issue, arn=arn, csr=csr, signing=signing, Validity={"Type": "YEARS", "Value": 11})

# A mode for short lives.
short, _ = authority("EC_prime256v1", signing, UsageMode="SHORT_LIVED_CERTIFICATE")
issue(short, csr, signing, Validity={"Type": "DAYS", "Value": 7})
refused("InvalidArgsException", issue, arn=short, csr=csr, signing=signing, Validity={"Type": "DAYS", "Value": 8})

# What cannot be.
refused("UnsupportedOperationException", pca.create_certificate_authority, CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={"KeyAlgorithm": "SM2", "SigningAlgorithm": "SM3WITHSM2", "Subject": {"CommonName": "x"}})
refused("InvalidArgsException", pca.create_certificate_authority, CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={"KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHECDSA", "Subject": {"CommonName": "x"}})
refused("InvalidNextTokenException", pca.list_certificate_authorities, NextToken="x")
refused("ResourceNotFoundException", pca.describe_certificate_authority, CertificateAuthorityArn=arn[:-4] + "0000")
refused("InvalidArnException", pca.get_certificate, CertificateAuthorityArn=arn, CertificateArn=arn)

# Pages.
arns = [ca["Arn"] for page in pca.get_paginator("list_certificate_authorities").paginate(PaginationConfig={"PageSize": 3})
        for ca in page["CertificateAuthorities"]]
assert set(made) <= set(arns), (made, arns)

for arn in made:
    pca.update_certificate_authority(CertificateAuthorityArn=arn, Status="DISABLED")
    pca.delete_certificate_authority(CertificateAuthorityArn=arn, PermanentDeletionTimeInDays=7)
    assert pca.describe_certificate_authority(CertificateAuthorityArn=arn)["CertificateAuthority"]["Status"] == "DELETED"
print(json.dumps({"authorities": len(made)}))
