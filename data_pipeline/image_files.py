"""Pictures in and out of files (Pillow).

Errors: FileNotFoundError for a missing file, ValueError for one that cannot be used; each is one line that names it.
"""

import io
import os
import re
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from PIL import ExifTags, Image

from data_pipeline import exif
from data_pipeline.files import existing, one_line

# Pillow opens more, such as drawings by way of other programs.
_FORMATS: Final = (
    "AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "PSD", "QOI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
_HEIF_BRANDS: Final = (b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
_MOST_PIXELS: Final = 120_000_000  # above the 108 megapixels of phones; decoding takes 12 bytes each
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_IS_ZERO: Final = 0
# Orientation of EXIF -> how often to turn counterclockwise by 90 degrees, after a flip from left to right or without.
_UPRIGHT: Final = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True),
                   8: (1, False)}  # fmt: skip


def read_image(path: str | os.PathLike) -> np.ndarray:
    """A picture as (H, W, 3) uint8: transparent pixels over white, turned upright by its EXIF tag.

    Of EXIF the orientation alone is read, and counts as none if it cannot be. 16 and 32 bits of grey are scaled by the
    range of their type, and floats, which must lie in [0, 1], to 255. Of several frames the first is taken.
    """
    path = existing(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of EXIF that is never used, of the size, which is checked here
            with Image.open(path, formats=_formats(path)) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise ValueError(f"{image.width}x{image.height} pixels; scale it down")
                orientation = _orientation(image)
                return _upright(_pixels(image), orientation)
    except Exception as error:  # Pillow's readers raise whatever damaged bytes provoke
        raise ValueError(f"{path}: not a readable image ({_said(error, path)})") from error


def _formats(path: Path) -> list[str]:
    """What Pillow may take the file for. Its plugin for HEIC comes in only where it is needed."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:] in _HEIF_BRANDS:
        try:
            import pillow_heif  # its twin pi-heif, which only decodes, dies of some damaged files
        except ImportError as error:
            raise ValueError("HEIC needs a package; convert it to JPEG, or pip install pillow-heif") from error
        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _said(error: Exception, path: Path) -> str:
    if isinstance(error, Image.UnidentifiedImageError):  # its message is the path
        return "of no known format; convert it to JPEG"
    return one_line(error).replace(str(path), path.name)


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        image.getexif = Image.Exif  # Pillow turns TIFF by itself as it is decoded, and fails at broken tags
        try:
            found = image.tag_v2.get(ExifTags.Base.Orientation)
        except Exception:  # a broken one; see read_image
            found = None
    else:
        image.load()  # tags of a PNG may lie behind its pixels
        found = exif.orientation(image.info.get("exif") or b"") or _orientation_of_xmp(image)
    return found if isinstance(found, int) and found in _UPRIGHT else 1


def _orientation_of_xmp(image: Image.Image) -> int | None:
    text = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    text = text.encode() if isinstance(text, str) else text
    found = re.search(rb"tiff:Orientation(?:=\"|>)([1-8])", text)
    return int(found[1]) if found else None


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    turns, flip = _UPRIGHT[orientation]
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if flip else pixels, turns))


def _pixels(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8, as it lies in the file."""
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    return np.asarray(image.convert("RGB"))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey in more than 8 bits or in floats, whose range Pillow does not scale, to 8; with alpha if one is clear."""
    values = np.asarray(image)
    if image.mode == "F":
        if not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
            raise ValueError("floats beyond [0, 1]; scale them, or convert it to 8 or 16 bits")
        grey = np.round(255 * values).astype(np.uint8)
    else:
        values, bits = _integers(image, values)
        grey = (values >> (bits - 8)).astype(np.uint8)
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if transparent is None:
        return Image.fromarray(grey)
    alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    return Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])


def _integers(image: Image.Image, values: np.ndarray) -> tuple[np.ndarray, int]:
    """The values as the file means them, and how many bits their type has above 0: 16 in all formats but TIFF."""
    tags = getattr(image, "tag_v2", {})
    bits, unsigned = tags.get(_BITS, (16,))[0], tags.get(_SAMPLE_FORMAT, (1,))[0] == 1
    if bits == 32 and unsigned:
        values = values.astype(np.int32).view(np.uint32)  # Pillow takes them for signed ones
    if values.min() < 0:
        raise ValueError("negative values; convert it to 8 or 16 bits without sign")
    if bits == 32 and not values.max() >> 23:
        raise ValueError(f"32-bit values up to {values.max()}, black by their type's range; convert it to 8 or 16 bits")
    return values, bits if unsigned else bits - 1


def encode_jpeg(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 to JPEG at quality 95, colours not subsampled."""
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, "JPEG", quality=95, subsampling=0)
    return memory.getvalue()


def decode_jpeg(content: bytes) -> np.ndarray:
    """JPEG bytes to (H, W, 3) uint8."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))  # convert copies it in any case


__all__ = ["decode_jpeg", "encode_jpeg", "read_image"]
