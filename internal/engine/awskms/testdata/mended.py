"""moto's server on a free port, which it prints, until its input ends.

moto 5.2 leaves out parts of AWS KMS without which no engine can pass for whole.
They are mended here, each by itself; all else is moto's own: the protocol, keys,
aliases, tags, listings, deletion, and the cryptography of Python's library.
"""

import base64
import json
import os
import sys
import threading

os.environ["MOTO_ALLOW_NONEXISTENT_REGION"] = "true"  # tests have regions of their own

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from moto.core.exceptions import JsonRESTError
from moto.kms import exceptions, models, responses
from moto.kms.utils import ECDSAPrivateKey, RSAPrivateKey
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def prehashed(algorithm):
    return utils.Prehashed(HASHES[algorithm[-3:]])


# moto hashes what comes with the MessageType DIGEST once more. Digests are all that
# the engine sends to the keys that moto has.
def rsa_padding(self, algorithm):
    if "PSS" not in algorithm:
        return padding.PKCS1v15(), prehashed(algorithm)
    # ... and its salts are as long as they can be, not as the hash.
    return padding.PSS(mgf=padding.MGF1(HASHES[algorithm[-3:]]), salt_length=padding.PSS.DIGEST_LENGTH), prehashed(algorithm)


RSAPrivateKey._RSAPrivateKey__padding_and_hash_algorithm = rsa_padding
ECDSAPrivateKey._ECDSAPrivateKey__hash_algorithm = lambda self, algorithm: prehashed(algorithm)


# moto loses the message of this one.
def access_denied(self, message):
    JsonRESTError.__init__(self, "AccessDeniedException", message)


exceptions.AccessDeniedException.__init__ = access_denied


# moto decrypts nothing with RSA keys.
moto_decrypt = models.KmsBackend.decrypt


def decrypt(self, ciphertext_blob, encryption_context, key_id=None):
    key = self.describe_key(key_id)
    if not key.key_spec.startswith("RSA"):
        return moto_decrypt(self, ciphertext_blob, encryption_context, key_id)
    for digest in (hashes.SHA1(), hashes.SHA256()):
        try:
            oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
            return key.private_key.private_key.decrypt(ciphertext_blob, oaep), key.arn
        except ValueError:
            pass
    raise exceptions.InvalidCiphertextException()


models.KmsBackend.decrypt = decrypt


# moto does not agree on secrets.
def derive_shared_secret(self):
    key = self.kms_backend.describe_key(self._get_param("KeyId"))
    public = serialization.load_der_public_key(base64.b64decode(self._get_param("PublicKey")))
    secret = key.private_key.private_key.exchange(ec.ECDH(), public)
    return json.dumps({"KeyId": key.arn, "SharedSecret": base64.b64encode(secret).decode(), "KeyAgreementAlgorithm": "ECDH"})


responses.KmsResponse.derive_shared_secret = derive_shared_secret


# moto manages keys by their ids alone.
def by_arn(operation):
    return lambda self, key_id, *args: operation(self, self.get_key_id(key_id), *args)


for name in ("enable_key", "disable_key", "cancel_key_deletion", "schedule_key_deletion"):
    setattr(models.KmsBackend, name, by_arn(getattr(models.KmsBackend, name)))


# moto lets keys do everything in every state.
def refusing(operation):
    def checked(self):
        key = self.kms_backend.describe_key(self._get_param("KeyId"))
        if key.key_state == "Disabled":
            raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
        if key.key_state == "PendingDeletion":
            raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
        return operation(self)

    return checked


for name in ("sign", "verify", "encrypt", "decrypt", "generate_mac", "verify_mac"):
    setattr(responses.KmsResponse, name, refusing(getattr(responses.KmsResponse, name)))


def end():
    sys.stdin.read()
    os._exit(0)


server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=end, daemon=True).start()
print(server.server_port, flush=True)
server.serve_forever()
