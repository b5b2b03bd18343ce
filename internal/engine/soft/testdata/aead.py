"""Makes aead.json: ciphertexts of the soft engine's format, by pyca/cryptography. Run: python3 aead.py > aead.json"""
import hashlib, json
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.kbkdf import CounterLocation, KBKDFHMAC, Mode

def some(what, n):  # deterministic bytes, so that the file can be made again
    return hashlib.shake_256(what.encode()).digest(n)

cases = []
for i, size in enumerate([0, 1, 15, 16, 17, 31, 32, 33, 64, 100, 255, 256, 1000, 4096]):
    secret, nonce, iv = some(f"secret {i}", 32), some(f"nonce {i}", 16), some(f"iv {i}", 12)
    plaintext, associated = some(f"plaintext {i}", size), some(f"associated {i}", 7 * i)
    key = KBKDFHMAC(algorithm=hashes.SHA256(), mode=Mode.CounterMode, length=32, rlen=4, llen=4, location=CounterLocation.BeforeFixed,
                    label=b"holdfast/soft/aead/v1", context=nonce, fixed=None).derive(secret)
    cases.append({"secret": secret.hex(), "associated": associated.hex(), "plaintext": plaintext.hex(),
                  "ciphertext": (nonce + iv + AESGCM(key).encrypt(iv, plaintext, associated)).hex()})
print(json.dumps(cases, indent=1))
