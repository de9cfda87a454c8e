"""Pictures in and out of files (Pillow).

Errors: FileNotFoundError for a missing file, ValueError for one that cannot be used; each is one line that names it.
"""

import io
import os

import numpy as np
from PIL import Image, ImageOps

from data_pipeline.files import existing, one_line


def read_image(path: str | os.PathLike) -> np.ndarray:
    """A picture as (H, W, 3) uint8: transparent pixels over white, turned upright by its EXIF tag."""
    path = existing(path)
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            elif image.mode.startswith("I;16") or image.mode == "I":
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable image ({one_line(error)})") from error


def encode_jpeg(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 to JPEG at quality 95, colours not subsampled."""
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, "JPEG", quality=95, subsampling=0)
    return memory.getvalue()


def decode_jpeg(content: bytes) -> np.ndarray:
    """JPEG bytes to (H, W, 3) uint8."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


__all__ = ["decode_jpeg", "encode_jpeg", "read_image"]
