"""Content credentials (C2PA) in generated videos, signed with the user's own certificate and key (extra c2pa).

The manifest is one claim: created, digital source type trainedAlgorithmicMedia, by xdancer_jax. It binds the file's
bytes: who changes pictures or tags breaks it, who encodes the video anew loses it. No time stamp is asked for, so that
nothing needs the network; nothing then proves that it was signed before the certificate ran out.
"""

import importlib.util
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_pipeline import provenance, video_files
from data_pipeline.files import existing, one_line, write_atomically

_KIND: Final = "video/mp4"
_BY_CURVE: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class Signer:
    """sign(path) puts a signed manifest into an MP4 of generated pictures, in its place.

    It signs a video of its own first, so that a certificate that will not do is known before the long work.

    Args:
      certificate: PEM file, the signer's certificate first and then those that vouch for it, but for the root.
      key: PEM file, its private key, not encrypted: EC (P-256, P-384, P-521), RSA or Ed25519.

    Raises:
      ImportError: without the extra c2pa.
      FileNotFoundError: no such file.
      ValueError: a key or certificate that C2PA does not take, or that is not of the other.
    """

    def __init__(self, certificate: str, key: str):
        if importlib.util.find_spec("c2pa") is None:
            raise ImportError("--c2pa_certificate: the extra c2pa is not installed; pip install xdancer_jax[c2pa]")
        self._files = f"{certificate}, {key}"
        self._certificate, self._key = existing(certificate).read_bytes(), existing(key).read_bytes()
        self._algorithm = _algorithm(key, self._key)
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder) / "trial.mp4"
            video_files.write_video(trial, np.zeros((1, 16, 16, 3), np.uint8), source=provenance.GENERATED)
            self(trial)

    def __call__(self, path: str | os.PathLike) -> None:
        import c2pa

        path, signed = Path(path), io.BytesIO()
        info = c2pa.C2paSignerInfo(
            alg=self._algorithm.encode(), sign_cert=self._certificate, private_key=self._key, ta_url=None
        )
        try:
            with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(_manifest(path.name))) as builder:
                builder.sign(signer, _KIND, io.BytesIO(path.read_bytes()), signed)
        except c2pa.C2paError as error:
            raise ValueError(f"{self._files}: content credentials cannot be signed ({one_line(error)})") from error
        write_atomically(path, signed.getbuffer())


def _manifest(title: str) -> dict[str, Any]:
    made = {
        "action": "c2pa.created", "digitalSourceType": provenance.GENERATED,
        "softwareAgent": {"name": provenance.MAKER},
    }
    return {
        "claim_generator_info": [{"name": provenance.MAKER}],
        "title": title,
        "format": _KIND,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [made]}}],
    }


def _algorithm(name: str, key: bytes) -> str:
    """C2PA's name of the signature that a private key makes."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise ValueError(f"{name}: no private key in PEM that can be read ({one_line(error)}); give one without a "
                         "password") from error  # fmt: skip
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.curve.name in _BY_CURVE:
        return _BY_CURVE[found.curve.name]
    if isinstance(found, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(found, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError(f"{name}: C2PA signs with EC (P-256, P-384, P-521), RSA and Ed25519 keys; make one of these")


__all__ = ["Signer"]
