"""Whole files of every kind that is read, for tests/fuzz.py to damage."""

import json
import os
from pathlib import Path

import av
import numpy as np
from PIL import Image, features

from data_pipeline import pose_files, video_files
from tests import media

SMALL = 400_000  # bytes; larger samples are damaged too seldom in places that matter


def images(folder: Path) -> None:
    noise = Image.effect_noise((40, 56), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A], exif[0x8769] = 6, "a maker", 72.0, {0x9003: "2024:01:01 10:00:00"}
    for name in ("a.jpg", "a.webp", "a.png"):
        noise.save(folder / name, exif=exif)
    noise.save(folder / "a.tif", tiffinfo={0x0112: 6, 0x010F: "a maker"})
    noise.save(folder / "progressive.jpg", progressive=True)
    noise.save(folder / "a.mpo", save_all=True, append_images=[noise])  # as phones with two lenses make
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        noise.save(folder / f"{compression}.tif", compression=compression)
    clear = noise.convert("RGBA")
    clear.putalpha(120)
    clear.save(folder / "alpha.png")
    noise.quantize(16).save(folder / "palette.png", transparency=3)
    grey = np.uint16(np.linspace(0, 65535, 40 * 56).reshape(40, 56))
    Image.fromarray(grey).save(folder / "16.png", transparency=77)
    Image.fromarray(grey).save(folder / "16.tif")
    Image.fromarray(np.float32(grey / 65535)).save(folder / "float.tif")
    for name in ("a.gif", "a.bmp", "a.ppm", "a.tga", *(["a.avif"] if features.check("avif") else [])):
        noise.save(folder / name)
    (folder / "a.heic").write_bytes(media.HEIC)


SOUNDS = {  # name -> rate, codec, container, options
    "a.wav": (44100, "pcm_s16le", None, {}),
    "float.wav": (44100, "pcm_f32le", None, {}),
    "a.flac": (44100, "flac", None, {}),
    "a.mp3": (44100, "libmp3lame", None, {}),
    "plain.mp3": (44100, "libmp3lame", None, {"write_xing": "0"}),
    "a.ogg": (44100, "vorbis", None, {"strict": "-2"}),
    "flac.ogg": (44100, "flac", None, {}),
    "a.opus": (48000, "libopus", "ogg", {}),
    "a.m4a": (44100, "aac", "ipod", {}),
    "alac.m4a": (44100, "alac", "ipod", {}),
    "a.aac": (44100, "aac", "adts", {}),
    "a.webm": (48000, "libopus", None, {}),
    "a.mka": (44100, "aac", "matroska", {}),
}


def sounds(folder: Path) -> None:
    for name, (rate, codec, container, options) in SOUNDS.items():
        sound = media.clicks(1.5, rate) + np.random.default_rng(0).normal(size=round(1.5 * rate)) * 0.01
        media.store_sound(folder / name, np.stack([sound] * 2), rate, codec, container, "stereo", **options)
    for name in ("flac.ogg", "a.opus"):
        content = (folder / name).read_bytes()
        (folder / f"chain_{name}").write_bytes(content + content)


def videos(folder: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, 48, 32, 3), np.uint8)
    video_files.write_video(folder / "a.mp4", frames, 30, media.clicks(0.4), 44100)
    for name, codec in (("a.webm", "libvpx"), ("a.mkv", "libx264"), ("a.mov", "libx264"), ("a.avi", "mpeg4")):
        with av.open(str(folder / name), "w") as file:
            stream = file.add_stream(codec, rate=25, width=32, height=48, pix_fmt="yuv420p")
            for frame in (*(av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames), None):
                file.mux(stream.encode(frame))


def poses(folder: Path) -> None:
    rng = np.random.default_rng(0)
    clip = rng.uniform(size=(3, 60, 3)).astype(np.float32)
    pose_files.save_poses(folder / "ours.npz", clip, 30, 360, 640)
    pose_files.save_poses(folder / "dance.npz", clip, 30, 360, 640, np.zeros((3, 5, 6), np.int32))
    hand = rng.uniform(size=(3, 21, 3))
    np.savez(folder / "mediapipe.npz", pose=rng.uniform(size=(3, 33, 5)), lh=hand, rh=hand, fps=24.0, wh=[64, 32])
    np.savez(folder / "openpose.npz", xy=rng.uniform(size=(3, 2, 137, 2)), confidence=rng.uniform(size=(3, 2, 137)),
             fps=24.0, wh=[64, 32])  # fmt: skip
    person = {"keypoints": rng.uniform(0, 99, (133, 2)).round(1).tolist(), "keypoint_scores": [0.5] * 133}
    frames = [{"frame_id": i, "instances": [person] * i} for i in range(3)]
    (folder / "wholebody.json").write_text(json.dumps(frames))


def records(folder: Path) -> None:
    content = {
        "format": 3, "stage": "motion", "config": {"name": "motion", "seed": 0, "data": {"dir": "data"}, "rate": 1e-3},
        "facts": {"joints": 60}, "changes": [],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(content, indent=2))


def samples(kind: str) -> list[Path]:
    """Small files of the sample data, where XDANCER_SAMPLE_DATA names it."""
    root = os.environ.get("XDANCER_SAMPLE_DATA")
    endings = {
        "images": (".jpg", ".png", ".heic"), "sounds": (".mp3", ".ogg", ".flac"), "videos": (".mp4", ".webm", ".mov"),
        "poses": (".npz", ".json"), "records": (),
    }[kind]  # fmt: skip
    found = sorted(path for path in Path(root or "/nowhere").rglob("*") if path.suffix in endings and path.is_file())
    return [path for path in found if path.stat().st_size < SMALL]
