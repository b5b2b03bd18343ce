"""Decrypts an encrypted file of version 1, as docs/encrypt.md describes it.

It shares nothing with the Go package but that page: what both agree on is the
format. usage: decrypt.py METHOD KEY < FILE, where KEY is a file with the 32
bytes of an AES key (AEAD: a nonce of 12 bytes, the ciphertext and the tag) or
with a private key in PEM.
"""
import hashlib
import hmac
import struct
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"holdfast envelope 1\n"


def unwrap(method, key, wrapped, binding):
    if method == "AEAD":
        return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], binding)
    if method == "HPKE-P256":
        from cryptography.hazmat.primitives import hpke  # of 2026

        private = serialization.load_pem_private_key(key, None)
        return hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM).decrypt(wrapped, private, binding)
    hash = {"RSA-OAEP-SHA256": hashes.SHA256(), "RSA-OAEP-SHA384": hashes.SHA384()}[method]
    private = serialization.load_pem_private_key(key, None)
    return private.decrypt(wrapped, padding.OAEP(padding.MGF1(hash), hash, None))


def main(wanted, key):
    data = sys.stdin.buffer.read()
    assert data[:20] == MAGIC
    (length,) = struct.unpack(">I", data[20:24])
    body, mac, payload = data[24:24 + length], data[24 + length:56 + length], data[56 + length:]
    id, rest = body[:16], body[18:]
    stanzas = {}
    for _ in range(struct.unpack(">H", body[16:18])[0]):
        n = rest[0]
        method, rest = rest[1:1 + n].decode(), rest[1 + n:]
        fields = []
        for _ in range(2):
            (n,) = struct.unpack(">H", rest[:2])
            fields.append(rest[2:2 + n])
            rest = rest[2 + n:]
        stanzas[method] = fields
    assert rest == b""
    file_key = unwrap(wanted, key, stanzas[wanted][1], b"holdfast envelope 1" + id)
    assert len(file_key) == 32

    def derive(purpose):
        return HKDF(hashes.SHA256(), 32, id, b"holdfast envelope 1 " + purpose).derive(file_key)

    assert hmac.compare_digest(mac, hmac.new(derive(b"header"), data[:24 + length], hashlib.sha256).digest())
    aead, size, number = AESGCM(derive(b"payload")), 65536 + 16, 0
    while True:
        last = len(payload) <= size
        nonce = number.to_bytes(11, "big") + bytes([last])
        sys.stdout.buffer.write(aead.decrypt(nonce, payload[:size], None))
        payload, number = payload[size:], number + 1
        if last:
            return


with open(sys.argv[2], "rb") as f:
    main(sys.argv[1], f.read())
