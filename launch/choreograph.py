"""Songs become dances, as skeletons, without video: every song with every seed, all at once.

    python -m launch.choreograph --run out/motion --music a.mp3 --music b.ogg --image PHOTO --out DIR
        [--seed 0 --seed 1] [--seconds N] [--temperature T] [--top_k K] [--top_p P] [--size HxW]
        [--pose_weights DIR | --estimator rtm --pose_model FILE --detector FILE]

Of each dance DIR/SONG_SEED.npz holds poses and tokens, and DIR/SONG_SEED.mp4 shows it with its song. In place of
--image, --continue_from FILE goes on from all frames of such a file, or of a pose file (docs/data.md). Processes that
--coordinator HOST:PORT --num_processes N --process_id I connect divide the dances.
"""

import itertools
import math

from absl import flags

from launch.making import dances, estimator_flags, painting, sampling_flags
from launch.runs import agreement, loading, sharing
from launch.shell import cli, distributed, outputs

_RUN = flags.DEFINE_string("run", None, "Work directory of a motion run.")
_MUSIC = flags.DEFINE_multi_string("music", None, "Song; any file that FFmpeg decodes. Once for each song.")
_IMAGE = flags.DEFINE_string("image", None, "Photo whose pose the dances start from.")
_FROM = flags.DEFINE_string("continue_from", None, "Dance or pose file whose frames are the first of every dance.")
_OUT = flags.DEFINE_string("out", None, "Folder to write into.")
_SEEDS = flags.DEFINE_multi_integer("seed", [0], "One dance of every song. Once for each seed.", lower_bound=0)
_SECONDS = flags.DEFINE_float("seconds", None, "Longest dance; whole songs if not given.", lower_bound=0.1)
_SIZE = flags.DEFINE_string("size", "896x512", "HxW of the preview in pixels.")
flags.adopt_module_key_flags(sampling_flags)
flags.adopt_module_key_flags(estimator_flags)
flags.register_validator("seconds", lambda n: n is None or math.isfinite(n), "must be a number of seconds")
flags.mark_flags_as_required(["run", "music", "out"])
flags.mark_flags_as_mutual_exclusive(["image", "continue_from"], required=True)


def main(argv: list[str]) -> None:
    del argv
    with distributed.join_alike():
        size = painting.parse_size(_SIZE.value, 2)
        paths = dances.outputs(_OUT.value, _MUSIC.value, _SEEDS.value)
        run, sampling, songs, given = agreement.everywhere(lambda: _read(paths, size))
        frames = dances.frame_count(_SECONDS.value, max(len(song.features) for song in songs))
        rows = sharing.mine(list(zip(paths, itertools.product(songs, _SEEDS.value), strict=True)))
        files = agreement.everywhere(lambda: dances.write_all(run, rows, given, frames, size, sampling) if rows else [])
        print(*files, sep="\n")


def _read(paths, size):
    run = loading.load(_RUN.value, "motion")
    sampling = sampling_flags.sampling(run.config)
    songs = [dances.read_song(run, path) for path in _MUSIC.value]
    given = painting.first_tokens(run, _IMAGE.value, _FROM.value, estimator_flags.estimator, size)
    outputs.make_folder(_OUT.value)
    for path in paths:
        outputs.check_out(f"{path}.npz", ".npz")
    return run, sampling, songs, given


if __name__ == "__main__":
    cli.run(main)
