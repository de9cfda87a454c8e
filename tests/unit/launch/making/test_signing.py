"""Content credentials signed by certificates that are made here, read back by the library's own reader."""

import datetime
import io
import json

import numpy as np
import pytest

from data_pipeline import provenance, video_files
from launch.making import signing

c2pa = pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
x509 = pytest.importorskip("cryptography.x509")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def certificate(name, key, issuer=None, issuer_key=None):
    """Of the public half of `key`; one that vouches for others where it has no issuer."""
    own = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Tests"),
                     x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now, root, public = datetime.datetime.now(datetime.UTC), issuer is None, key.public_key()
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                           "encipher_only", "decipher_only"), False)
    made = (
        x509.CertificateBuilder().subject_name(own).issuer_name(own if root else issuer.subject).public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer_key or key).public_key()), False)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=root, crl_sign=root, **usage), critical=True)
    )  # fmt: skip
    if not root:
        made = made.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return made.sign(issuer_key or key, hashes.SHA256())


def pem(key, password=None):
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


@pytest.fixture
def files(tmp_path):
    """A function of a kind of key: the files of a certificate, with the one that vouches for it, and of its key."""
    def make(kind="P-256"):
        root_key, key = KEYS["P-256"](), KEYS[kind]()
        root = certificate("root", root_key)
        chain = [certificate("signer", key, root, root_key), root]
        (tmp_path / "chain.pem").write_bytes(b"".join(x.public_bytes(serialization.Encoding.PEM) for x in chain))
        (tmp_path / "key.pem").write_bytes(pem(key))
        return str(tmp_path / "chain.pem"), str(tmp_path / "key.pem")

    return make


@pytest.fixture
def video(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    video_files.write_video(tmp_path / "dance.mp4", pixels, 30, source=provenance.GENERATED)
    return tmp_path / "dance.mp4"


def read(content):
    with c2pa.Reader("video/mp4", io.BytesIO(content)) as reader:
        found = json.loads(reader.json())
    return found, found["manifests"][found["active_manifest"]]


@pytest.mark.parametrize("kind", KEYS)
def test_the_manifest_is_read_back_and_binds_the_file(files, video, kind):
    before = [frame.picture for frame in video_files.iter_video(video)]
    signing.Signer(*files(kind))(video)
    content = video.read_bytes()
    found, manifest = read(content)
    assert found["validation_state"] == "Valid"  # not "Trusted": nobody knows these certificates
    assert {status["code"] for status in found["validation_status"]} == {"signingCredential.untrusted"}
    assert manifest["title"] == "dance.mp4" and manifest["signature_info"]["common_name"] == "signer"
    assert manifest["claim_generator_info"][0]["name"] == "xdancer_jax"
    [actions] = [each for each in manifest["assertions"] if each["label"].startswith("c2pa.actions")]
    [made] = actions["data"]["actions"]
    assert (made["action"], made["digitalSourceType"]) == ("c2pa.created", provenance.GENERATED)
    np.testing.assert_array_equal(before, [frame.picture for frame in video_files.iter_video(video)])
    assert provenance.source_of(video) == provenance.GENERATED  # tags and XMP are still there
    changed = bytearray(content)
    at = content.index(b"mdat") + 40
    changed[at] ^= 1
    assert read(bytes(changed))[0]["validation_state"] == "Invalid"


def test_what_cannot_sign_is_known_at_once_and_in_one_line(files, tmp_path):
    chain, key = files()
    other = tmp_path / "other.pem"

    def refused(certificate, key, said, error=ValueError):
        with pytest.raises(error, match=said) as raised:
            signing.Signer(str(certificate), str(key))
        assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)

    refused(tmp_path / "none.pem", key, "none.pem: no such file", FileNotFoundError)
    for content, said in (
        (pem(KEYS["P-256"]()), "chain.pem, .*other.pem: content credentials cannot be signed"),  # another's key
        (pem(KEYS["RSA"]()), "cannot be signed"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "other.pem: C2PA signs with EC"),
        (pem(KEYS["P-256"](), b"word"), "other.pem: no private key in PEM .* without a password"),
        (b"no key", "other.pem: no private key in PEM"),
    ):
        other.write_bytes(content)
        refused(chain, other, said)
    refused(other, key, "cannot be signed")  # no certificate


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr(signing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"--c2pa_certificate: .* pip install xdancer_jax\[c2pa\]"):
        signing.Signer("a", "b")
