"""The flags that say how a generated video is marked, beside what its container always says (provenance.py)."""

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from absl import flags

from launch.making import marking, painting, signing
from launch.making.dances import Dance, Song
from launch.making.painting import Dancer

_VISIBLE = flags.DEFINE_bool("visible_mark", False, 'Draw "AI-generated" in a corner of every frame.')
_CERTIFICATE = flags.DEFINE_string("c2pa_certificate", None, "Sign content credentials: your certificates (PEM).")
_KEY = flags.DEFINE_string("c2pa_key", None, "The certificate's private key (PEM).")

_signer = functools.lru_cache(maxsize=1)(signing.Signer)


def check() -> None:
    """Fails before the long work starts, as signing.Signer does, and with ValueError for one flag without the other."""
    if (_CERTIFICATE.value is None) != (_KEY.value is None):
        raise ValueError("--c2pa_certificate and --c2pa_key go together")
    if _KEY.value is not None:
        _signer(_CERTIFICATE.value, _KEY.value)


def write(out: str, frames: Iterable[np.ndarray], dancer: Dancer, dance: Dance, song: Song) -> list[Path]:
    """painting.write of frames that have a label, and of videos that are signed, where the flags ask for it. The
    skeleton has no label: nobody takes it for a person."""
    paths = painting.write(out, marking.marked(frames) if _VISIBLE.value else frames, dancer, dance, song)
    for path in paths if _KEY.value is not None else ():
        if path.suffix == ".mp4":
            _signer(_CERTIFICATE.value, _KEY.value)(path)
    return paths


__all__ = ["check", "write"]
