"""Makes a study: page/ for raters (page.PARTS and media/), and key.json beside it.

The page must not tell the systems apart. So copies have random names, lie in the order of these, and carry no tags;
what remains to be seen from outside (lengths, sizes, sound) is compared, and told where it differs.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from data_pipeline import browser_videos, image_files
from data_pipeline.browser_videos import Shown
from launch.shell import outputs
from launch.studies import key as keys
from launch.studies import page, questions
from launch.studies.key import Item, Key
from launch.studies.pairing import Compared, Paired

_UNLIKE: Final = 0.5  # s by which lengths differ so that it is seen


def make(paired: Paired, out: str, seed: int | None) -> Iterator[str]:
    """Writes the study into the folder `out`, which is new or empty; all of it or nothing.

    Args:
      seed: of the random names; None draws one, which nobody can guess.

    Yields:
      Lines to be shown: what could give the systems away, and where the page lies.

    Raises:
      ValueError: `out` holds something or is not of this machine; a video that browsers do not play.
      OSError: `out` cannot be written.
    """
    folder = Path(out)
    if (folder / "key.json").exists():
        raise ValueError(f"--out={out}: a study is there: --serve, --results; or name another folder")
    key = blinded(paired, secrets.token_hex(16) if seed is None else f"seed {seed}")
    with outputs.appearing(out) as making:
        (making / "page" / "media").mkdir(parents=True)
        (making / "answers").mkdir()
        shown = _copy(paired.items, key, making / "page" / "media")
        key = key._replace(items=[item._replace(sizes={
            clip: [shown[clip].width, shown[clip].height] for clip in item.clips
        }) for item in key.items])  # fmt: skip
        page.write(key, making / "page")
        keys.save(key, making)
    yield from paired.left_out
    for item in key.items:
        yield from _tells(item, [shown[clip] for clip in item.clips])
    yield f"{len(key.items)} comparisons of {len(key.systems)} systems: {folder / 'page' / 'index.html'}"
    yield f"which clip is of which system: {folder / 'key.json'}; keep it from raters"


def blinded(paired: Paired, salt: str) -> Key:
    """The key without sizes: names by `salt`, items in the order of their names."""
    items = []
    for compared in paired.items:
        clips = {_name(salt, compared.name, "system", n): n for n in range(len(paired.systems))}
        photo = _name(salt, compared.name, "photo") if compared.photo else ""
        items.append(Item(_name(salt, compared.name), compared.name, dict(sorted(clips.items())), {}, photo))
    asked = questions.asked(any(item.photo for item in items))
    return Key(_name(salt), salt, list(paired.systems), asked, sorted(items))


def _name(*of: object) -> str:
    """16 hexadecimal digits that say nothing of what they are made of to whom the salt is unknown."""
    return hashlib.sha256("\0".join(map(str, of)).encode()).hexdigest()[:16]


def _copy(compared: Sequence[Compared], key: Key, media: Path) -> dict[str, Shown]:
    """Copies all clips and photos, in the order of their new names, so that no time of a file tells anything."""
    by_name = {one.name: one for one in compared}
    videos = {clip: by_name[item.name].videos[n] for item in key.items for clip, n in item.clips.items()}
    shown = {clip: browser_videos.copy(videos[clip], media / f"{clip}.mp4") for clip in sorted(videos)}
    for item in key.items:
        if item.photo:
            picture = image_files.read_image(by_name[item.name].photo)
            (media / f"{item.photo}.jpg").write_bytes(image_files.encode_jpeg(picture))
    return shown


def _tells(item: Item, shown: Sequence[Shown]) -> Iterator[str]:
    lengths = [one.seconds for one in shown]
    if max(lengths) - min(lengths) > _UNLIKE:
        span = f"{min(lengths):.1f} to {max(lengths):.1f} s"
        yield f"{item.name}: clips last {span}, which may tell systems apart; cut them"
    if len({(one.width, one.height) for one in shown}) > 1:
        sizes = ", ".join(sorted({f"{one.width}x{one.height}" for one in shown}))
        yield f"{item.name}: clips are of {sizes}, which may tell systems apart; scale them alike"
    if silent := sum(not one.sound for one in shown):
        yield f"{item.name}: {silent} of {len(shown)} clips have no sound; the beat cannot be judged"


__all__ = ["blinded", "make"]
