"""Brings keys in with boto3, wrapped by openssl: an HMAC key and an EC key."""
import datetime
import os
import subprocess

import boto3

kms = boto3.client("kms", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
made = []


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def read(name):
    with open(name, "rb") as f:
        return f.read()


def wrap(name, public, digest):
    """CKM_RSA_AES_KEY_WRAP, by openssl alone."""
    with open("public.der", "wb") as f:
        f.write(public)
    openssl("rand", "-out", "aes", "32")
    openssl("enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", read("aes").hex(), "-in", name, "-out", "kwp")
    openssl("pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public.der", "-in", "aes", "-out", "oaep",
            "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", f"rsa_oaep_md:{digest}", "-pkeyopt", f"rsa_mgf1_md:{digest}")
    return read("oaep") + read("kwp")


def bring(spec, usage, name, digest, **how):
    """Makes a key and gives it the material in a file."""
    key = kms.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    made.append(key["KeyId"])
    assert key["KeyState"] == "PendingImport" and key["Origin"] == "EXTERNAL" and not key["Enabled"], key
    algorithm = "RSA_AES_KEY_WRAP_SHA_1" if digest == "sha1" else "RSA_AES_KEY_WRAP_SHA_256"
    p = kms.get_parameters_for_import(KeyId=key["Arn"], WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
    assert p["KeyId"] == key["Arn"], p
    left = p["ParametersValidTo"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(hours=23) < left <= datetime.timedelta(hours=24), left
    kms.import_key_material(KeyId=key["KeyId"], ImportToken=p["ImportToken"],
                            EncryptedKeyMaterial=wrap(name, p["PublicKey"], digest), **how)
    return kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]


openssl("rand", "-out", "hmac.secret", "48")
until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=300)
key = bring("HMAC_384", "GENERATE_VERIFY_MAC", "hmac.secret", "sha1", ValidTo=until)
assert key["KeyState"] == "Enabled" and key["ExpirationModel"] == "KEY_MATERIAL_EXPIRES" and key["ValidTo"] == until, key
mac = kms.generate_mac(KeyId=key["KeyId"], Message=b"message", MacAlgorithm="HMAC_SHA_384")["Mac"]
with open("message", "wb") as f:
    f.write(b"message")
openssl("dgst", "-sha384", "-mac", "HMAC", "-macopt", "hexkey:" + read("hmac.secret").hex(), "-binary", "-out", "mac", "message")
assert mac == read("mac")

openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "curve.pem")
openssl("pkcs8", "-topk8", "-nocrypt", "-in", "curve.pem", "-outform", "DER", "-out", "curve.secret")
key = bring("ECC_NIST_P384", "SIGN_VERIFY", "curve.secret", "sha256", ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
assert key["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE" and "ValidTo" not in key, key
with open("signature", "wb") as f:
    f.write(kms.sign(KeyId=key["KeyId"], Message=b"message", SigningAlgorithm="ECDSA_SHA_384")["Signature"])
openssl("pkey", "-inform", "DER", "-in", "curve.secret", "-pubout", "-out", "public.pem")
openssl("dgst", "-sha384", "-verify", "public.pem", "-signature", "signature", "message")

try:
    kms.import_key_material(KeyId=key["KeyId"], ImportToken=b"x", EncryptedKeyMaterial=b"y", ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")
    raise SystemExit("a token of nobody's was taken")
except kms.exceptions.InvalidImportTokenException as e:
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 400, e.response
kms.delete_imported_key_material(KeyId=key["KeyId"])
try:
    kms.sign(KeyId=key["KeyId"], Message=b"message", SigningAlgorithm="ECDSA_SHA_384")
    raise SystemExit("a key without material signed")
except kms.exceptions.KMSInvalidStateException as e:
    assert e.response["Error"]["Message"] == key["Arn"] + " is pending import.", e.response
for key_id in made:
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
print(f"boto3 {boto3.__version__}: an HMAC key and an EC key came in")
