"""Reads damaged files of one kind until the time is up, in a process of its own: it may die of what it reads.

    python -m tests.fuzz KIND --seconds N --keep DIR [--seed N]

Nothing may come of it but a result or one line that names the file. Whatever else comes is printed, a line of JSON
each, with the file that did it, which is kept in DIR; the last line counts. A read that takes longer than 20 s kills
the process, and leaves its file in DIR too.
"""

import argparse
import io
import json
import logging
import random
import re
import resource
import shutil
import signal
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from data_pipeline import audio_files, image_files, pose_files, video_files
from tests import fuzz_seeds

KINDS = ("images", "sounds", "videos", "poses", "records")
SLOWEST = 20  # s of processors, since others may use them too; three times as long by the clock
MEMORY = 2 << 30  # bytes that reading may add
_ODD = ("null", "NaN", "-Infinity", "1e999", "-1", "0", "1e30", "99999999999999999999", "[]", "{}", '""', '"x"', "true")


def read(kind: str, path: Path) -> bool:
    """Reads one file; says whether the result is one."""
    if kind == "images":
        picture = image_files.read_image(path)
        return picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size > 0
    if kind == "sounds":
        audio = audio_files.read_audio(path, 15360)
        return audio.dtype == np.float32 and audio.ndim == 1 and bool((np.abs(audio) <= 1).all())
    if kind == "videos":
        times = [-1.0]
        for seconds, picture in video_files.iter_video(path):
            if not (picture.dtype == np.uint8 and picture.shape[2] == 3 and seconds > times[-1]):
                return False
            times.append(seconds)
        return len(times) > 1
    if kind == "poses":
        clip = pose_files.load_poses(path)
        sound = clip.poses.shape == (len(clip.times), 60, 3) and bool(np.isfinite(clip.poses).all())
        return sound and bool((np.diff(clip.times) > 0).all())
    from xdancer_jax.train import record  # brings jax in

    return isinstance(record.read(path.parent, "motion"), dict)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flips, overwrites, cuts, drops, repeats and puts in bytes; half of it near the beginning, where headers are."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        near = max(1, min(len(data), 512) if rng.random() < 0.5 else len(data))
        place, size = rng.randrange(near), rng.choice((1, 2, 4, 30, 300, 3000))
        match rng.randrange(8):
            case 0 | 1 | 2:
                for _ in range(rng.choice((1, 3, 10)) if data else 0):
                    data[rng.randrange(min(len(data), near))] ^= 1 << rng.randrange(8)
            case 3:
                data[place : place + size] = rng.randbytes(min(size, max(0, len(data) - place)))
            case 4:
                data[place : place + size] = rng.choice((b"\0", b"\xff")) * min(size, max(0, len(data) - place))
            case 5:
                del data[rng.choice((place, rng.randrange(max(1, len(data))))) :]
            case 6:
                del data[place : place + size]
            case 7:
                data[place:place] = rng.choice((rng.randbytes(size), bytes(data[place : place + size])))
    return bytes(data)


def damaged_text(content: bytes, rng: random.Random) -> bytes:
    """Puts odd values in the place of some of JSON's numbers, strings, lists and objects; or damages its bytes."""
    if rng.random() < 0.4:
        return damaged(content, rng)
    text = content.decode()
    for _ in range(rng.choice((1, 1, 3))):
        found = list(re.finditer(r'-?\d+(\.\d+)?|"[^"]*"|\[\]|\[[^\[\]]*\]|\{[^{}]*\}', text))
        if found:
            match = rng.choice(found)
            text = text[: match.start()] + rng.choice(_ODD) + text[match.end() :]
    return text.encode()


def damaged_archive(content: bytes, rng: random.Random) -> bytes:
    """Damages one member of a .npz before it is packed, so that no checksum tells; or the archive."""
    if rng.random() < 0.4:
        return damaged(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    if rng.random() < 0.15:
        del members[name]
    else:
        members[name] = damaged(members[name], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return packed.getvalue()


def fault(kind: str, path: Path) -> str | None:
    """What is wrong with how the file was read; "" for a line that refuses it, None for a result."""
    signal.setitimer(signal.ITIMER_PROF, SLOWEST)
    signal.alarm(3 * SLOWEST)
    try:
        return None if read(kind, path) else "no error, and no result either"
    except (ValueError, OSError) as error:
        text = str(error)
        if "\n" in text or path.name not in text:
            return f"{type(error).__name__} that is not one line with the file's name: {text[:300]}"
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def run(kind: str, seconds: float, seed: int, keep: Path) -> Counter:
    rng, counts = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        getattr(fuzz_seeds, kind)(folder)
        wholes = sorted(path for path in folder.iterdir())
        contents = [(path.name, path.read_bytes()) for path in (*wholes, *fuzz_seeds.samples(kind))]
        for path in wholes:
            if problem := fault(kind, path):
                raise AssertionError(f"{path.name}, whole: {problem}")
        grown, before = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            name, content = rng.choice(contents)
            damage = {".json": damaged_text, ".npz": damaged_archive}.get(Path(name).suffix, damaged)
            path = keep / name
            path.write_bytes(damage(content, rng))
            problem = fault(kind, path)
            grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            if grown > MEMORY:
                problem, before = f"{grown >> 20} MiB of memory", before + grown // 1024
            counts["read" if problem is None else "faults" if problem else "refused"] += 1
            if problem:
                kept = keep / f"fault_{counts['faults']}_{name}"
                shutil.copy(path, kept)
                print(json.dumps({"file": str(kept), "problem": problem}), flush=True)
        counts["mib"] = max(0, grown >> 20)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, required=True)
    given = parser.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")
    given.keep.mkdir(parents=True, exist_ok=True)
    counts = run(given.kind, given.seconds, given.seed, given.keep)
    print(json.dumps(counts))
    raise SystemExit(1 if counts["faults"] else 0)


if __name__ == "__main__":
    main()
