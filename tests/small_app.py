"""The app over a pair of runs that are small and random, and what its visitors have at hand."""

import asyncio
import contextlib
import gc
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import wavfile

from configs import autoencoder, motion, tokenizer, video
from data_pipeline import poses, toy
from data_pipeline.pose_files import save_poses
from launch.apps import looking, making, serving
from launch.apps.limits import Limits
from launch.making import painting
from launch.runs import loading
from tests import untrained_run

SIZE = (64, 32)  # of videos, in pixels
LIMITS = Limits(
    photo_megabytes=1, song_megabytes=4, song_minutes=1, seconds=30, waiting=2, kept_minutes=30
)


def pair(folder: Path) -> Path:
    """`folder` with motion/ and video/, over one tokenizer."""
    first = autoencoder.get_config("tiny")
    first.model.update(block_out_channels=(4, 4, 4), layers_per_block=1, latent_channels=4, norm_groups=2)
    other = tokenizer.get_config("tiny")
    other.model.update(codebook_size=16, encoder_width=8, decoder_width=8)
    below = {
        "autoencoder": f"run:{untrained_run.write(folder / 'autoencoder', first, 1)}",
        "tokenizer": f"run:{untrained_run.write(folder / 'tokenizer', other, 2)}",
    }
    dance = motion.get_config("tiny")
    dance.model.update(codebook_size=16, width=16, num_heads=2, segment_frames=16)
    dance.overlap_frames, dance.data.previous, dance.parts.tokenizer.source = 2, 8, below["tokenizer"]
    untrained_run.write(folder / "motion", dance, 3)
    paint = video.get_config("tiny_motion")
    paint.model.unet.update(
        block_out_channels=(8,), latent_channels=4, cross_attention_dim=8, norm_groups=2, num_heads=1, temporal_heads=1
    )
    paint.model.image_encoder.update(image_size=28, width=8, heads=1, projection_dim=8)
    paint.model.motion_decoder.update(block_out_channels=(8,), latent_size=(16, 8), channels=(8,), style_width=8)
    paint.sampler.update(num_steps=2, guidance=1.0, window=8, overlap=2, decode_chunk=8)
    paint.data.height, paint.data.width, paint.data.frames = *SIZE, 8
    for name in paint.parts:
        paint.parts[name].source = below.get(name, "random")
    untrained_run.write(folder / "video", paint, 4)
    return folder


def nobody():
    """An estimator where there is none."""
    raise FileNotFoundError("no model bundle here")


def maker(runs: Path, limits: Limits = LIMITS, estimator=nobody) -> making.Maker:
    dance, paint = loading.load_pair(runs)
    look = looking.Looker(estimator, SIZE)
    return making.Maker(dance, painting.painter(paint, None), look, limits, {str(runs): "the model"})


@contextlib.contextmanager
def opened(of: making.Maker, works: bool = True) -> Iterator[tuple]:
    """(visits, address) of an app that listens; its jobs are worked off by a thread, or by nobody."""
    stop = threading.Event()
    serving.check(place := serving.Place("127.0.0.1", 0, None))
    with serving.opened(of, place, SIZE, stop) as (visits, address):
        worker = threading.Thread(target=visits.jobs.run_forever, args=(stop,))
        if works:
            worker.start()
        try:
            yield visits, address
        finally:
            stop.set()
            if works:
                worker.join()
    _tidy()


def _tidy() -> None:
    """Gradio leaves event loops open, of which Python warns once they are collected."""
    asyncio.set_event_loop(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def files(folder: Path, seconds: float = 4.0, seed: int = 5) -> dict[str, Path]:
    """A visitor's photo, its pose and a song."""
    rng = np.random.default_rng(seed)
    song, dancer = toy.make_song(rng, 1, seconds), toy.make_dancer(rng)
    made = toy.make_motion(rng, song, dancer, 2, aspect=SIZE[1] / SIZE[0])
    found = {"photo": folder / "photo.png", "pose": folder / "pose.npz", "song": folder / "song.wav"}
    Image.fromarray(toy.render(made.joints, dancer, 256, 128)[0]).save(found["photo"])
    save_poses(found["pose"], np.asarray(poses.denormalise(made.poses[:1], 256, 128), np.float32), 30, 256, 128)
    wavfile.write(found["song"], song.sample_rate, np.round(song.audio * 32767).astype(np.int16))
    return found


__all__ = ["LIMITS", "SIZE", "files", "maker", "nobody", "opened", "pair"]
