"""A page where a photo and a song become a dance video (Gradio).

    pip install 'xdancer_jax[app]'
    python -m launch.app [--runs DIR] [--port 7860] [--host 127.0.0.1] [--origin https://HOST] [--steps N] [--size HxW]
        [--dtype float32|bfloat16] [--max_seconds N] [--max_waiting N] [--keep_minutes N] [--pose_weights DIR | ...]

DIR holds the work directories motion/ and video/, as for launch.generate; a dance made here is the one it makes.
Without it the small model that comes with the project is shown, which paints drawn dancers alone (docs/toy_model.md).
Visitors wait in one queue, and their files go when they leave (docs/app.md).
"""

from absl import flags

from configs import base
from launch.apps import looking, making, serving
from launch.apps.limits import Limits
from launch.making import estimator_flags, painting, painting_flags
from launch.runs import loading, shipped
from launch.shell import cli

_RUNS = flags.DEFINE_string("runs", None, "Folder that holds motion/ and video/; the toy model's if not given.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address of this machine that the app listens at.")
_PORT = flags.DEFINE_integer("port", 7860, "Port that it listens at; 0 for any.", lower_bound=0, upper_bound=65535)
_ORIGIN = flags.DEFINE_string("origin", None, "What visitors type where others reach the app: https://HOST.")
_STEPS = flags.DEFINE_integer("steps", None, "Denoising steps; the run's if not given.", lower_bound=1)
_SIZE = flags.DEFINE_string("size", None, "HxW of videos in pixels; the run's if not given.")
_DTYPE = flags.DEFINE_enum("dtype", None, base.DTYPES, "In which videos are computed; the run's if not given.")
_PHOTO = flags.DEFINE_float("max_photo_megabytes", 20, "Largest photo.", lower_bound=0.1)
_SONG = flags.DEFINE_float("max_song_megabytes", 40, "Largest song.", lower_bound=0.1)
_MINUTES = flags.DEFINE_float("max_song_minutes", 10, "Longest song.", lower_bound=0.1)
_SECONDS = flags.DEFINE_float("max_seconds", 30, "Longest dance.", lower_bound=1)
_WAITING = flags.DEFINE_integer("max_waiting", 8, "Visitors in the queue, beside the one it works for.", lower_bound=1)
_KEEP = flags.DEFINE_float("keep_minutes", 30, "How long files stay that nobody takes away.", lower_bound=1)
flags.adopt_module_key_flags(painting_flags)
flags.adopt_module_key_flags(estimator_flags)


def main(argv: list[str]) -> None:
    del argv
    place = serving.Place(_HOST.value, _PORT.value, _ORIGIN.value)
    serving.check(place)
    motion, video = loading.load_pair(_RUNS.value or shipped.folder(), dtype=_DTYPE.value, mesh=loading.all_devices())
    video, size = painting_flags.applied(video), painting.video_size(_SIZE.value, video.config)
    limits = Limits(_PHOTO.value, _SONG.value, _MINUTES.value, _SECONDS.value, _WAITING.value, _KEEP.value)
    look = looking.Looker(estimator_flags.estimator, size)
    hidden = {str(run.workdir): "the model" for run in (motion, video)}
    maker = making.Maker(motion, painting.painter(video, _STEPS.value), look, limits, hidden, toy=not _RUNS.value)
    print(f"loaded {motion.workdir} and {video.workdir}; the first dance of a length is compiled, and takes longer")
    for line in serving.serve(maker, place, size):
        print(line, flush=True)


if __name__ == "__main__":
    cli.run(main)
