"""Sounds made and stored by the tests themselves, and a photo that no library here writes."""

import base64
from fractions import Fraction

import av
import numpy as np

FIRST, PERIOD = 0.2, 0.5  # s: of clicks; both are whole frames of 30 fps


def clicks(seconds: float = 6.0, rate: int = 44100) -> np.ndarray:
    """(N,) float32: bursts of noise of 20 ms at 0.2, 0.7, ... s."""
    audio = np.zeros(round(seconds * rate), np.float32)
    length = rate // 50
    burst = np.random.default_rng(0).uniform(-0.8, 0.8, length) * np.exp(-np.arange(length) / (rate / 200))
    for time in click_times(seconds):
        audio[round(time * rate) :][:length] += burst
    return audio


def click_times(seconds: float = 6.0) -> np.ndarray:
    return np.arange(FIRST, seconds - 0.05, PERIOD)


def starts(audio: np.ndarray, rate: int) -> np.ndarray:
    """When sounds begin after at least 0.2 s of quiet, in seconds."""
    loud = np.flatnonzero(np.abs(audio) > 0.3 * np.abs(audio).max())
    return loud[np.diff(loud, prepend=-rate) > 0.2 * rate] / rate


def store_sound(path, channels: np.ndarray, rate: int, codec: str, container=None, layout="mono", **options):
    """Encodes (C, N) float samples; returns `path`. The container is that of the name, if not given."""
    muxing = {key: options.pop(key) for key in ("write_xing",) if key in options}
    with av.open(str(path), "w", format=container, options=muxing) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout, options=options)
        encode(file, stream, channels, rate)
    return path


def encode(file, stream, channels: np.ndarray, rate: int, begin: float = 0.0) -> None:
    """Writes (C, N) float samples to a stream of a file, to be heard from `begin` s on."""
    layout = stream.codec_context.layout.name
    source = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels, np.float32), format="fltp", layout=layout)
    source.sample_rate, source.pts, source.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(
        format=stream.format.name, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size or 1024
    )
    for frame in (source, None):
        for block in resampler.resample(frame):
            block.pts += round(begin * rate)
            file.mux(stream.encode(block))
    file.mux(stream.encode(None))


# 64x48, as it lies in the file: red on the left, blue above black on the right; to be turned by a quarter.
HEIC = base64.b85decode(
    '0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0005VZDn*}000000000XXk=`10000000000aA{+700000000000000000000G-'
    '+&aV*mgE07O6l0ssL300001>;M4(00000005l;0ssI200M~s0RR9100000Bme*aIB98aW&i*H00062000$fZf0cy000000RRAKc4ILB0000LX>'
    'Mj^0ssI300IC2MR;ju000004sdC7Z2$lO00031009SSaB^?}008D`aAR)(004Gqc4I>U18@KU0FVFx0000U@BsY%`1k+-'
    '4+CHT0RR|40Sp2E{{wIU00RJ!0009300RIXx&lC90096hLID8-'
    'Z~y=U0FVFx0{{R603M(qfd!W8<fgf}2xu@M00096AOHXZ03l)k0RRR>0l{;?i2wiq6Ju{|a&BX6cmM$a4FCp!0000KX>)L8000000000$0000$'
    '0000eV{Bn?0000$000010000m000010000000002|NsB+000020000GaA|mH000000|*ER00009X>xCL0{{R38EJ5BVE_OC000000RRC8fdT^s'
    'goXeB02*m>Wo7^X0000001jhhb7KGk009620002VZDe6|0001)C;_ht;5j2CzyJ58KmYh|-b43hWDT67zx?Zm-#VB7;Z?H3gyS3V`-'
    '9={|25gPKl9{w(pi1S?fV`pViBOdHDcX4W*sS;8^)G-'
    '!y@ZQfHT)BAOHQEf3E<B)%5!TCrBl{Rn{=F^IzH*)^WOfQaM)$ia1U`bWAQVH|}QLq)uuykJFw)0O$?BR)-'
    'zy_3*<CKj<*xZ~y=R21R&jW&i+9O#mtY000O80Ra*K0{{R30RRR70000000'
)


def store_film(
    path, codec: str, rate: int, sound: np.ndarray, times: np.ndarray, flashes=(), *, sound_from=0.0, video_from=0.0,
    video_codec="libx264", **options,
):
    """A video of 64x48 with frames at `times` (F,) s, white at `flashes` and black else, and (N,) sound; both begin at
    times of their own on the file's clock. Returns `path`."""
    ticks = 90_000
    with av.open(str(path), "w") as file:
        video = file.add_stream(video_codec, rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, ticks)
        stream = file.add_stream(codec, rate=rate, layout="stereo", options=options)
        for time in times:
            white = len(flashes) and np.abs(np.asarray(flashes) - time).min() < 1e-6
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255 * bool(white), np.uint8), format="rgb24")
            frame.pts, frame.time_base = round((time + video_from) * ticks), Fraction(1, ticks)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        encode(file, stream, np.stack([sound] * 2), rate, sound_from)
    return path
