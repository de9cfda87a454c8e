"""A user study: raters compare the videos of several systems, not knowing which is whose, by five questions.

    python -m launch.study --videos DIR --videos DIR --out study [--photos DIR] [--seed N]
    python -m launch.study --out study --serve [--port 8000] [--host 127.0.0.1] [--origin https://HOST]
    python -m launch.study --out study --results [--leave_out RATER]

Videos of one name are compared. study/page opens from its folder or any web server; study/key.json, which tells the
systems, stays here. --serve keeps answers; without it raters download them, and the files go into study/answers.
"""

from absl import flags

from launch.shell import cli

_VIDEOS = flags.DEFINE_multi_string("videos", [], "Folder of a system's videos; once for each system.")
_PHOTOS = flags.DEFINE_string("photos", None, "Folder of the dancers' photos, named as the videos.")
_OUT = flags.DEFINE_string("out", None, "Folder of the study.")
_SEED = flags.DEFINE_integer("seed", None, "Of the random names; none that can be guessed if not given.", lower_bound=0)
_SERVE = flags.DEFINE_bool("serve", False, "Give the page to raters and keep their answers.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address of this machine that --serve listens at.")
_PORT = flags.DEFINE_integer("port", 8000, "Port that --serve listens at; 0 for any.", lower_bound=0, upper_bound=65535)
_ORIGIN = flags.DEFINE_string("origin", None, "What raters type where others reach --serve: https://HOST.")
_RESULTS = flags.DEFINE_bool("results", False, "Show and write what the answers say.")
_LEAVE_OUT = flags.DEFINE_multi_string("leave_out", [], "Rater whose answers do not count.")
flags.mark_flags_as_required(["out"])

_OF = {"videos": ("photos", "seed"), "serve": ("host", "port", "origin"), "results": ("leave_out",)}  # of each task


def main(argv: list[str]) -> None:
    del argv
    task = _task()
    if task == "serve":
        from launch.studies import serving

        lines = serving.serve(_OUT.value, _HOST.value, _PORT.value, _ORIGIN.value)
    elif task == "results":
        from launch.studies import looking  # brings in JAX

        lines = looking.look(_OUT.value, _LEAVE_OUT.value)
    else:
        from launch.studies import making, pairing

        lines = making.make(pairing.pair(_VIDEOS.value, _PHOTOS.value), _OUT.value, _SEED.value)
    for line in lines:
        print(line, flush=True)


def _task() -> str:
    """What is to be done. Raises ValueError for none, for two, and for flags of another."""
    if len(tasks := [name for name in _OF if flags.FLAGS[name].value]) != 1:
        raise ValueError("give one of --videos (once for each system), --serve and --results")
    for name in (name for task, names in _OF.items() if task != tasks[0] for name in names):
        if flags.FLAGS[name].present:
            raise ValueError(f"--{name}: only with --{next(task for task in _OF if name in _OF[task])}")
    return tasks[0]


if __name__ == "__main__":
    cli.run(main, computes=False)
