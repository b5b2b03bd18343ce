"""Checks the signatures and names of a chain with pyca's cryptography.

python3 validate.py LEAF.pem ISSUER.pem … ROOT.pem

Its own path builder knows no ML-DSA, so this goes link by link: issuer name,
key identifiers, validity, and the signature over the TBSCertificate, which for
ML-DSA is FIPS 204 with an empty context (RFC 9881).
"""

import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa

ML_DSA = (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)


def check(child, issuer):
    """Raises unless child was issued by issuer and is valid now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if not child.not_valid_before_utc <= now <= child.not_valid_after_utc:
        raise ValueError("not valid now")
    if child.issuer != issuer.subject:
        raise ValueError("the names do not chain")
    aki = child.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    if aki.key_identifier != ski.digest:
        raise ValueError("the key identifiers do not chain")
    constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
    if not constraints.critical or not constraints.value.ca:
        raise ValueError("the issuer is no CA")
    key = issuer.public_key()
    if isinstance(key, ML_DSA):
        key.verify(child.signature, child.tbs_certificate_bytes)
    else:
        child.verify_directly_issued_by(issuer)


def main():
    chain = []
    for name in sys.argv[1:]:
        with open(name, "rb") as file:
            chain.append(x509.load_pem_x509_certificate(file.read()))
    for child, issuer in zip(chain, chain[1:]):
        check(child, issuer)
    print("valid", " ".join(type(c.public_key()).__name__ for c in chain))


main()
