"""Whether what launch.precompute made is what a run would compute: config.data.tokens, latents and embeddings."""

from collections.abc import Mapping, Sequence
from typing import Final

from ml_collections import ConfigDict

from data_pipeline import computed
from launch import stages
from xdancer_jax.train.parts import Parts

PART: Final = {  # kind -> the part of a model whose weights make it
    "tokens": "tokenizer", "still_tokens": "tokenizer", "latents": "autoencoder", "embeddings": "image_encoder",
}
_FIELD: Final = {"still_tokens": "tokens"}  # of config.data, where it is not the kind's own


def check_augment(config: ConfigDict, changes: Mapping[str, Sequence[str]]) -> None:
    """Raises ValueError where an augmentation changes what was computed beforehand: by field of config.data, those
    that do."""
    data = config.data
    for field, names in changes.items():
        wrong = [name for name in names if data[field] and data.augment.get(name)]
        if wrong:
            raise ValueError(
                f"config.data.augment.{wrong[0]}={data.augment[wrong[0]]}: changes clips, and config.data.{field} was "
                "computed of them as they are; leave one of the two out"
            )


def check(config: ConfigDict, parts: Parts) -> None:
    """Holds the folders that a resolved config names against its data set and the parts it begins with.

    Raises:
      FileNotFoundError, ValueError: see computed.read; made by other weights than a part's, of pictures of another size
        or by a part that trains or whose weights no run holds.
    """
    window = stages.find(config.name).window(config, True)
    for kind, folder in window.made.items():
        about, part = computed.read(folder, kind), PART[kind]
        field = f"config.data.{_FIELD.get(kind, kind)}"
        if parts[part].trainable:
            raise ValueError(
                f"{field}: {part} trains in this run, and what it made before holds no longer; leave the field out"
            )
        if not parts[part].digest:
            raise ValueError(
                f"{field}: config.parts.{part}.source={config.parts[part].source!r} says of no run whose weights could "
                "be held against those that made them; give run:DIR"
            )
        wanted_maker = maker(config, kind, parts[part].digest)
        if about.weights != wanted_maker:
            raise ValueError(
                f"{field}: {folder} was made by other weights of {part} ({about.weights}) than those of "
                f"config.parts.{part}.source ({wanted_maker}); run launch.precompute with that run"
            )
        wanted = {"latents": tuple(window.cut.get("latent", ())), "embeddings": (window.cut.get("embedding"),)}
        if about.shape != wanted.get(kind, about.shape):
            raise ValueError(f"{field}: {folder} holds {about.shape}, the config needs {wanted[kind]}; see config.data")


def maker(config: ConfigDict, kind: str, digest: str) -> str:
    """What tells whether two makers give the same records: the digest of the weights, and for embeddings how a photo
    becomes square, unless it is padded."""
    framing = config.model.image_encoder.framing if kind == "embeddings" else "pad"
    return digest if framing == "pad" else f"{digest}, framing {framing!r}"


__all__ = ["PART", "check", "check_augment", "maker"]
