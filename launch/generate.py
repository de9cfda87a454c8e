"""A photo and a song become a dance video.

    python -m launch.generate --image PHOTO --music SONG --runs DIR --out dance.mp4
        [--seconds N] [--seed N] [--steps N] [--size HxW] [--pose FILE] [--pose_weights DIR]
        [--temperature T] [--top_k K] [--top_p P] [--dtype float32|bfloat16]

DIR holds the work directories motion/ and video/. Beside dance.mp4 go dance_poses.npz and dance_skeleton.mp4.
"""

import math

from absl import flags

from configs import base
from launch.making import dances, painting, sampling_flags
from launch.runs import loading
from launch.shell import cli, outputs

_IMAGE = flags.DEFINE_string("image", None, "Photo of the dancer, full body.")
_MUSIC = flags.DEFINE_string("music", None, "Song; any file that FFmpeg decodes.")
_RUNS = flags.DEFINE_string("runs", None, "Folder that holds the work directories motion/ and video/.")
_OUT = flags.DEFINE_string("out", None, "Video to write (.mp4).")
_SECONDS = flags.DEFINE_float("seconds", None, "Length of the dance; the whole song if not given.", lower_bound=0.1)
_SEED = flags.DEFINE_integer("seed", 0, "Another seed, another dance.", lower_bound=0)
_STEPS = flags.DEFINE_integer("steps", None, "Denoising steps; the run's if not given.", lower_bound=1)
_SIZE = flags.DEFINE_string("size", None, "HxW of the video in pixels; the run's if not given.")
_POSE = flags.DEFINE_string("pose", None, "Pose file of the photo instead of the estimator (see README).")
_WEIGHTS = flags.DEFINE_string("pose_weights", None, "Folder with MediaPipe's pose and hand bundles (*.task).")
_DTYPE = flags.DEFINE_enum("dtype", None, base.DTYPES, "In which the video is computed; the run's if not given.")
flags.adopt_module_key_flags(sampling_flags)
flags.register_validator("seconds", lambda n: n is None or math.isfinite(n), "must be a number of seconds")
flags.mark_flags_as_required(["image", "music", "runs", "out"])


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(_OUT.value)
    motion, video = loading.load_pair(_RUNS.value, dtype=_DTYPE.value, mesh=loading.all_devices())
    sampling = sampling_flags.sampling(motion.config)
    song = dances.read_song(_MUSIC.value, motion.config.model.segment_frames)
    size = painting.video_size(_SIZE.value, video.config)
    dancer = painting.read_dancer(_IMAGE.value, _POSE.value, _WEIGHTS.value, size)
    paint = painting.painter(video, _STEPS.value)
    frames = dances.frame_count(_SECONDS.value, len(song.features))
    given = dances.tokens_of(motion, dancer.pose[None])
    [dance] = dances.choreograph(motion, [song], [given], frames, [_SEED.value], sampling=sampling)
    pictures = paint(dancer, dance, _SEED.value, quiet=False)
    for path in painting.write(_OUT.value, pictures, dance, song):
        print(path)


if __name__ == "__main__":
    cli.run(main)
