from types import SimpleNamespace

from launch.figures import measuring
from launch.figures.data import Data
from xdancer_jax.evals.protocols import Result


def test_figures_are_told_with_what_a_reader_must_know_of_them(capsys):
    """A note that several figures carry is told once."""
    note = "fid: 3 motions, the protocol wants 200 or more"
    found = [Result(name, {}, {"distance": 1.5}, notes=(note,)) for name in ("fid_a", "fid_b")]
    run = SimpleNamespace(workdir="out/motion", config=SimpleNamespace(name="motion"), step=7)
    measuring._tell(run, Data("data"), found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out/motion: stage motion, step 7, data test"
    assert lines[1].split() == ["fid_a", "distance", "1.5000"]
    assert lines[3:] == [f"  note: {note}"]
