"""Keys in use from boto3: signatures, envelopes, codes, random bytes."""

import hashlib
import os

import boto3

kms = boto3.client("kms", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
made = []


def create(**arguments):
    metadata = kms.create_key(**arguments)["KeyMetadata"]
    made.append(metadata["KeyId"])
    return metadata


# Sign the message, sign its digest; either verifies, a forgery raises.
data = "naïve data".encode()
for spec, algorithm, digest in [
    ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", hashlib.sha256),
    ("RSA_2048", "RSASSA_PSS_SHA_512", hashlib.sha512),
    ("ECC_NIST_P256", "ECDSA_SHA_256", hashlib.sha256),
    ("ECC_NIST_P384", "ECDSA_SHA_384", hashlib.sha384),
    ("ECC_NIST_P521", "ECDSA_SHA_512", hashlib.sha512),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256", hashlib.sha256),
]:
    key = create(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    assert algorithm in key["SigningAlgorithms"], key
    raw = kms.sign(KeyId=key["KeyId"], Message=data, MessageType="RAW", SigningAlgorithm=algorithm)
    assert raw["KeyId"] == key["Arn"], raw
    hashed = kms.sign(KeyId=key["KeyId"], Message=digest(data).digest(), MessageType="DIGEST", SigningAlgorithm=algorithm)
    for signature in raw["Signature"], hashed["Signature"]:
        answer = kms.verify(KeyId=key["KeyId"], Message=data, MessageType="RAW", Signature=signature, SigningAlgorithm=algorithm)
        assert answer["SignatureValid"] is True, answer
    try:
        kms.verify(KeyId=key["KeyId"], Message=b"forged", MessageType="RAW", Signature=raw["Signature"], SigningAlgorithm=algorithm)
        raise AssertionError(f"{algorithm}: a forgery verifies")
    except kms.exceptions.KMSInvalidSignatureException:
        pass
    public = kms.get_public_key(KeyId=key["KeyId"])
    assert public["PublicKey"][:1] == b"\x30" and public["KeyUsage"] == "SIGN_VERIFY", public

# Encryption, with and without a context.
key, other = create(), create()
context = {"tenant": "a", "purpose": "test"}
sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"secret", EncryptionContext=context)
opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=dict(reversed(context.items())))
assert opened["Plaintext"] == b"secret" and opened["KeyId"] == key["Arn"], opened
for wrong in {}, {"tenant": "a"}, {"tenant": "a", "purpose": "tes", "t": ""}, {"TENANT": "a", "purpose": "test"}:
    try:
        kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=wrong)
        raise AssertionError(f"decrypts with {wrong}")
    except kms.exceptions.InvalidCiphertextException:
        pass
try:
    kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context, KeyId=other["KeyId"])
    raise AssertionError("decrypts under another key's name")
except kms.exceptions.IncorrectKeyException:
    pass
moved = kms.re_encrypt(CiphertextBlob=sealed["CiphertextBlob"], SourceEncryptionContext=context, DestinationKeyId=other["KeyId"])
assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["KeyId"] == other["Arn"]

data_key = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
blind = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], NumberOfBytes=48)
assert "Plaintext" not in blind and len(kms.decrypt(CiphertextBlob=blind["CiphertextBlob"])["Plaintext"]) == 48
assert len(kms.generate_random(NumberOfBytes=100)["Plaintext"]) == 100

# RSA encryption is by the public key; it names its algorithm on both sides.
rsa = create(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
for algorithm in "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256":
    blob = kms.encrypt(KeyId=rsa["KeyId"], Plaintext=b"wrapped", EncryptionAlgorithm=algorithm)["CiphertextBlob"]
    assert len(blob) == 256
    assert kms.decrypt(KeyId=rsa["KeyId"], CiphertextBlob=blob, EncryptionAlgorithm=algorithm)["Plaintext"] == b"wrapped"

mac = create(KeySpec="HMAC_512", KeyUsage="GENERATE_VERIFY_MAC")["KeyId"]
code = kms.generate_mac(KeyId=mac, Message=data, MacAlgorithm="HMAC_SHA_512")["Mac"]
assert len(code) == 64
assert kms.verify_mac(KeyId=mac, Message=data, MacAlgorithm="HMAC_SHA_512", Mac=code)["MacValid"] is True

# Two keys agree on one secret, from either side. Neither signs.
one, two = (create(KeySpec="ECC_NIST_P384", KeyUsage="KEY_AGREEMENT") for _ in range(2))
assert one["KeyAgreementAlgorithms"] == ["ECDH"] and "SigningAlgorithms" not in one, one
publics = {k["KeyId"]: kms.get_public_key(KeyId=k["KeyId"]) for k in (one, two)}
assert all(p["KeyUsage"] == "KEY_AGREEMENT" and p["KeyAgreementAlgorithms"] == ["ECDH"] for p in publics.values()), publics
secrets = []
for mine, theirs in (one, two), (two, one):
    answer = kms.derive_shared_secret(KeyId=mine["Arn"], KeyAgreementAlgorithm="ECDH", PublicKey=publics[theirs["KeyId"]]["PublicKey"])
    assert answer["KeyId"] == mine["Arn"] and answer["KeyOrigin"] == "AWS_KMS" and answer["KeyAgreementAlgorithm"] == "ECDH", answer
    secrets.append(answer["SharedSecret"])
assert secrets[0] == secrets[1] and len(secrets[0]) == 48
public = publics[two["KeyId"]]["PublicKey"]
for bad in public[:-1] + bytes([public[-1] ^ 1]), b"no key", public + b"\0":
    try:
        kms.derive_shared_secret(KeyId=one["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=bad)
        raise AssertionError(f"agrees with {bad.hex()}")
    except kms.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == "ValidationException" and not e.response["Error"].get("Message"), e.response
try:
    kms.sign(KeyId=one["KeyId"], Message=data, SigningAlgorithm="ECDSA_SHA_384")
    raise AssertionError("a key for agreement signs")
except kms.exceptions.InvalidKeyUsageException as e:
    assert str(e).endswith(f"{one['Arn']} key usage is KEY_AGREEMENT which is not valid for Sign."), e

for key_id in made:
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
print(f"boto3 {boto3.__version__}: signatures, encryption, data keys, codes, shared secrets and random bytes")
