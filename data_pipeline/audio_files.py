"""Sound out of files (PyAV).

Errors: FileNotFoundError for a missing file, ValueError for one that cannot be used; each is one line that names it.
"""

import dataclasses
import io
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from data_pipeline import audio_gaps, audio_mixing, mp3_header, ogg_links
from data_pipeline.containers import opened
from data_pipeline.files import existing

_log = logging.getLogger(__name__)
_MOST_LOST: Final = 0.2  # share of the sound that may be damaged or cut off; a file that lost more is refused
_SHORT: Final = 0.1  # s that may always be lacking at the end: encoders pad, containers round
_RATES: Final = range(2_000, 768_001)  # Hz; a damaged header may state any
_MOST_CHANNELS: Final = 64
_MOST_FAILURES: Final = 20  # of the demuxer, after which it is not asked again
# Formats without time stamps and a length of their own: FFmpeg counts frames, and guesses the length from the file's
# size and the rate of the first frames.
_UNSTAMPED: Final = ("aac", "ac3", "dts", "eac3", "mp3", "truehd")


def read_audio(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """The first sound track of any file PyAV decodes, (N,) float32 in [-1, 1], mono, at `sample_rate` Hz.

    Channels that hold sound are averaged, all alike: of 5.1 too, the channel for low frequencies among them. Channels
    that cancel each other out are not mixed: the loudest is taken. What does not decode is silence of its length, so
    that later sounds keep their time. Of both a warning is logged. Rate and layout may change midway; cover art is
    ignored.

    Raises ValueError where more than a fifth of the sound is lost (_MOST_LOST).
    """
    path = existing(path)
    links = [_read_link(path, link, sample_rate) for link in ogg_links.split(path)]
    _judge(path, links)
    return np.concatenate([audio_gaps.fill(link.audio, link.positions, link.lengths) for link in links])


class Blocks(NamedTuple):
    """Sound in turn: (N,) float32 each. start: when the first sample is heard, in seconds on the file's clock; 0 if not
    stated. seconds: how long all are, but for what resampling rounds."""

    blocks: Iterator[np.ndarray]
    start: float
    seconds: float


def read_blocks(path: str | os.PathLike, sample_rate: int) -> Blocks:
    """What read_audio gives, for sound that memory does not hold, and when it begins: edit lists and what encoders put
    before are out of both. The file is decoded twice: only its end tells of gains, gaps and damage. Raises as
    read_audio does, before the first block."""
    path = existing(path)
    files = ogg_links.split(path)
    links = [_read_link(path, file, sample_rate, keep=False) for file in files]
    _judge(path, links)
    seconds = sum(link.heard + sum(link.lengths) / sample_rate for link in links)
    start = next(link.start for link in links if link.heard)
    return Blocks(_all_blocks(path, files, sample_rate, links), start, seconds)


def _all_blocks(
    path: Path, files: Sequence[bytes | None], sample_rate: int, links: Sequence["_Link"]
) -> Iterator[np.ndarray]:
    for file, link in zip(files, links, strict=True):
        yield from audio_gaps.filled(_blocks(path, file, sample_rate, link), link.positions, link.lengths)


def _blocks(path: Path, file: bytes | None, sample_rate: int, link: "_Link") -> Iterator[np.ndarray]:
    """The sound of a link that was looked at before, without its gaps."""
    decoded, current = _Decoded(), 0
    for _ in _decoding(decoded, path, file, sample_rate, link.alone):
        for mix in decoded.mixes[current:-1]:
            yield mix.finish()
        current = max(0, len(decoded.mixes) - 1)
        for mix in decoded.mixes[current:]:
            yield mix.take(link.gains[current])
    for mix in decoded.mixes[current:]:
        yield mix.finish()


def _judge(path: Path, links: Sequence["_Link"]) -> None:
    """Raises ValueError for a file without enough sound; warns of one that has lost some."""
    if not any(link.heard for link in links):
        raise ValueError(f"{path}: its audio stream holds no samples")
    lost, failures = sum(link.lost for link in links), sum(link.failures for link in links)
    total = sum(link.heard for link in links) + lost
    if lost > _MOST_LOST * total + _SHORT:
        raise ValueError(
            f"{path}: truncated or damaged, {total - lost:.1f} s of {total:.1f} s of sound decode; get the file again"
        )
    if failures or lost > _SHORT:
        _log.warning(
            "%s: damaged, %.2f s of %.1f s of sound are lost and left silent (packets that do not decode: %d)",
            path, lost, total, failures,
        )


@dataclasses.dataclass
class _Link:
    """A sound track, or one link of a chain. Seconds at which it starts, heard and lost; packets that failed.

    audio: (N,) without its gaps, empty where it is not kept. positions, lengths: of the gaps, in samples. gains: of its
    mixes; alone: mix -> the channel that is used in it.
    """

    start: float
    heard: float
    lost: float
    failures: int
    audio: np.ndarray
    positions: list[int]
    lengths: list[int]
    gains: list[np.float32]
    alone: Mapping[int, int]


@dataclasses.dataclass
class _Decoded:
    """Mixes in turn, and of each frame its start in seconds, if stated, and its length. What else the file told."""

    mixes: list[audio_mixing.Mix] = dataclasses.field(default_factory=list)
    starts: list[float | None] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    bytes_used: int = 0
    failed: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # (frames before it, bytes) of each packet
    stamped: bool = True  # whether the container states the times of packets, and does not count them
    reached: float = 0.0  # s: where the last packet that could be used ends, of any stream
    announced: float = 0.0  # s: where the file says that it ends; 0 if it does not say


def _read_link(path: Path, link: bytes | None, sample_rate: int, keep: bool = True) -> _Link:
    decoded = _decode(path, link, sample_rate, {}, keep)
    alone = {i: mix.loudest for i, mix in enumerate(decoded.mixes) if mix.cancels}
    if alone:
        _log.warning("%s: its channels cancel each other out when they are mixed; one of them is used alone", path)
        decoded = _decode(path, link, sample_rate, alone, keep)
    audio = np.concatenate([np.zeros(0, np.float32), *(mix.finish() for mix in decoded.mixes if keep)])
    gains, positions, missing = [mix.gain for mix in decoded.mixes], [], []
    if not decoded.seconds:
        return _Link(0.0, 0.0, 0.0, len(decoded.failed), audio, positions, missing, gains, alone)
    heard = sum(decoded.seconds)
    frames, lengths, tail = _gaps(decoded)
    lost = float(lengths.sum()) + tail
    if lost <= _MOST_LOST * (heard + lost):  # else the file is refused, and its gaps may be of any length
        ends = np.concatenate([[0], np.cumsum(decoded.seconds)])
        positions, missing = _count(ends[frames], sample_rate), _count(lengths, sample_rate)
    start = decoded.starts[0] or 0.0
    return _Link(start, heard, lost, len(decoded.failed), audio, positions, missing, gains, alone)


def _count(seconds: np.ndarray, sample_rate: int) -> list[int]:
    return np.round(seconds * sample_rate).astype(int).tolist()


def _gaps(decoded: _Decoded) -> tuple[np.ndarray, np.ndarray, float]:
    """Frames that gaps lie before, their lengths in seconds, and how much is missing behind the last frame."""
    count, typical = len(decoded.seconds), float(np.median(decoded.seconds))
    inside = [(frame, size) for frame, size in decoded.failed if frame < count]
    if decoded.stamped:
        frames, lengths = audio_gaps.find(decoded.starts, decoded.seconds)
        tail = max(0.0, decoded.announced - decoded.reached)
    else:
        missing = decoded.announced - sum(decoded.seconds)
        believed = missing > -_SHORT  # the first of several files in a row counts its own frames alone
        frames, sizes = np.array([place for place, _ in inside], int), [size for _, size in inside]
        share = max(0.0, missing) if believed else None
        lengths = audio_gaps.swallowed(sizes, decoded.bytes_used / count, typical, share)
        tail = (share or 0.0) - float(lengths.sum()) if believed else 0.0
    at_end = (len(decoded.failed) - len(inside)) * typical
    return frames, lengths, max(tail, at_end)


def _decode(path: Path, link: bytes | None, sample_rate: int, alone: Mapping[int, int], keep: bool) -> _Decoded:
    """Decodes what can be. alone: mix -> the channel that is used in it. keep: the sound, not only what is told."""
    decoded = _Decoded()
    for _ in _decoding(decoded, path, link, sample_rate, alone):
        if not keep:
            for mix in decoded.mixes:
                mix.take(mix.gain)
    return decoded


def _decoding(
    decoded: _Decoded, path: Path, link: bytes | None, sample_rate: int, alone: Mapping[int, int]
) -> Iterator[None]:
    """Adds a packet each time to `decoded`."""
    with opened(path, "audio", link and io.BytesIO(link)) as (container, stream):
        begin = (container.start_time or 0) / av.time_base
        decoded.announced = _announced(path, container)
        decoded.stamped = container.format.name not in _UNSTAMPED
        for packet in _packets(container, decoded):
            if packet.stream is not stream:
                decoded.reached = max(decoded.reached, _end(packet) - begin)
                continue
            try:
                frames = packet.decode()
            except av.error.EOFError:  # a second flush, after the demuxer was asked again
                continue
            except av.error.FFmpegError:
                frames = [None]
            for frame in frames:
                end = frame and _add(decoded, frame, sample_rate, alone)
                if end is None:
                    decoded.failed.append((len(decoded.seconds), packet.size))
                else:
                    decoded.bytes_used += packet.size
                    decoded.reached = max(decoded.reached, end - begin)
            yield


def _add(decoded: _Decoded, frame: av.AudioFrame, sample_rate: int, alone: Mapping[int, int]) -> float | None:
    """Mixes a frame in. Returns where it ends, in seconds; None for one that no decoder of sound files makes."""
    rate, channels = frame.sample_rate, frame.layout.nb_channels
    if rate not in _RATES or channels > _MOST_CHANNELS:
        return None
    samples = audio_mixing.samples(frame)
    if not np.isfinite(samples).all():
        return None
    if not decoded.mixes or (decoded.mixes[-1].rate, decoded.mixes[-1].channels) != (rate, channels):
        decoded.mixes.append(audio_mixing.Mix(rate, channels, sample_rate, alone.get(len(decoded.mixes))))
    decoded.mixes[-1].add(samples)
    start = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
    decoded.starts.append(start)
    decoded.seconds.append(samples.shape[1] / rate)
    return (start or 0.0) + decoded.seconds[-1]


def _packets(container: av.container.InputContainer, decoded: _Decoded) -> Iterator[av.Packet]:
    """The packets of all sound and pictures. The demuxer goes on behind damaged places, if it is asked again."""
    streams = [*container.streams.audio[:1], *container.streams.video]
    for _ in range(_MOST_FAILURES):
        try:
            yield from container.demux(streams)
            return
        except av.error.FFmpegError:
            decoded.failed.append((len(decoded.seconds), 0))


def _end(packet: av.Packet) -> float:
    """Of a packet of pictures, in seconds; 0 where it does not say, as cover art does not."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return 0.0 if stamp is None else float((stamp + (packet.duration or 0)) * packet.time_base)


def _announced(path: Path, container: av.container.InputContainer) -> float:
    """The length that the file states, in seconds; 0 for none, and for one that FFmpeg only guesses."""
    if container.format.name in _UNSTAMPED:
        return (mp3_header.stated_seconds(path) or 0.0) if container.format.name == "mp3" else 0.0
    if container.duration is None:
        return 0.0
    stated = [
        float(stream.duration * stream.time_base)
        for stream in (*container.streams.audio[:1], *container.streams.video)
        if stream.duration is not None and not stream.disposition & av.stream.Disposition.attached_pic
    ]
    return max(stated, default=container.duration / av.time_base)


__all__ = ["Blocks", "read_audio", "read_blocks"]
