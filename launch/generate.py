"""A photo and a song become a dance video.

    python -m launch.generate --image PHOTO --music SONG --runs DIR --out dance.mp4 [--seconds N] [--seed N] [...]
        [--size HxW] [--dtype float32|bfloat16] [--temperature T] [--top_k K] [--top_p P] [--steps N] [--solver NAME]
        [--pose FILE | --pose_weights DIR | --estimator rtm --pose_model FILE --detector FILE]
        [--visible_mark] [--c2pa_certificate FILE --c2pa_key FILE]

DIR holds the work directories motion/ and video/. Beside dance.mp4 go dance_poses.npz and dance_skeleton.mp4. Processes
that --coordinator HOST:PORT --num_processes N --process_id I connect paint it together, on all their devices.
"""

import math

import jax
from absl import flags

from configs import base
from launch.making import dances, estimator_flags, marking_flags, painting, painting_flags, sampling_flags
from launch.runs import agreement, loading, sharing
from launch.shell import cli, distributed, outputs

_IMAGE = flags.DEFINE_string("image", None, "Photo of the dancer, full body.")
_MUSIC = flags.DEFINE_string("music", None, "Song; any file that FFmpeg decodes.")
_RUNS = flags.DEFINE_string("runs", None, "Folder that holds the work directories motion/ and video/.")
_OUT = flags.DEFINE_string("out", None, "Video to write (.mp4).")
_SECONDS = flags.DEFINE_float("seconds", None, "Length of the dance; the whole song if not given.", lower_bound=0.1)
_SEED = flags.DEFINE_integer("seed", 0, "Another seed, another dance.", lower_bound=0)
_STEPS = flags.DEFINE_integer("steps", None, "Denoising steps; the run's if not given.", lower_bound=1)
_SIZE = flags.DEFINE_string("size", None, "HxW of the video in pixels; the run's if not given.")
_POSE = flags.DEFINE_string("pose", None, "Pose file of the photo instead of the estimator (docs/data.md).")
_DTYPE = flags.DEFINE_enum("dtype", None, base.DTYPES, "In which the video is computed; the run's if not given.")
for module in (sampling_flags, painting_flags, estimator_flags, marking_flags):
    flags.adopt_module_key_flags(module)
flags.register_validator("seconds", lambda n: n is None or math.isfinite(n), "must be a number of seconds")
flags.mark_flags_as_required(["image", "music", "runs", "out"])


def main(argv: list[str]) -> None:
    del argv
    with distributed.join_alike():
        sharing.first(lambda: [outputs.check_out(_OUT.value), marking_flags.check()])
        video, song, *own = agreement.everywhere(_read)
        dancer, dance = sharing.of_first(own)
        paint = painting.painter(video, _STEPS.value)
        pictures = paint.stream(dancer, dance, _SEED.value, jax.process_index() > 0)
        sharing.first(lambda: print(*marking_flags.write(_OUT.value, pictures, dancer, dance, song), sep="\n"))


def _read():
    motion, video = loading.load_pair(_RUNS.value, dtype=_DTYPE.value, mesh=loading.all_devices())
    sampling, song = sampling_flags.sampling(motion.config), dances.read_song(motion, _MUSIC.value)
    size = painting.video_size(_SIZE.value, video.config)
    dancer = painting.read_dancer(_IMAGE.value, _POSE.value, estimator_flags.estimator, size)
    dance = dances.of_photo(motion, song, dancer.pose, _SECONDS.value, _SEED.value, sampling)
    return painting_flags.applied(video), song, dancer, dance


if __name__ == "__main__":
    cli.run(main)
