import json
import sys

import jax
import pytest

from launch.compiling import kept, plans, report, slices
from launch.compiling.step import lowering
from launch.runs import resolve
from launch.shell import devices
from launch.shell.devices import Chip
from tests import command_line, small_stages


@pytest.fixture
def chip(monkeypatch):
    """known(memory): what every device is taken for."""

    def known(memory):
        monkeypatch.setattr(report, "chip", lambda device: Chip(1e12, memory, 1e11))

    return known


def _config(**fields):
    config = small_stages.config("tokenizer", 2)
    config.update(fields)
    return config.lock()


def test_a_plan_holds_what_the_compiler_says(chip):
    chip(1e9)
    found = plans.plan(_config(), "local")
    state = found["bytes_a_device"]
    weights = sum(leaf.size * 4 for leaf in jax.tree.leaves(_state().params))
    assert state["weights"] == weights and 2 * weights <= state["moments"] < 2 * weights + 100
    assert found["temporaries"] > 0 and found["total"] > sum(state.values()) * 0.9
    assert found["fits"] is True and found["mesh"]["data"] == 1
    peak = found["model_flops"] / 1e12
    assert found["step_seconds"] == {"peak": peak, "45% of the peak": pytest.approx(peak / 0.45)}
    assert found["examples_per_second"]["peak"] == pytest.approx(2 / peak)
    json.dumps(found)
    told = report.table(found)
    assert "1.000 GB" in told
    assert "compiled in" in told and "temporaries" in told
    assert found["memory_seconds"] >= (found["total"] + found["temporaries"]) / 1e11 and "its memory alone" in told


def _state():
    return lowering(resolve.resolve(plans.without_sources(_config())), jax.devices()[:1]).plan.abstract


def test_what_cannot_fit_is_told_before_anything_is_compiled(chip, monkeypatch):
    chip(1000.0)
    monkeypatch.setattr(plans, "traced", None)
    found = plans.plan(_config(), "local")
    assert found["fits"] is False and "total" not in found
    assert "in all, without temporaries" in report.table(found)


def test_a_step_whose_temporaries_are_too_much_does_not_fit(chip):
    known = plans.plan(_config(), "local")
    state = sum(known["bytes_a_device"].values())
    chip((state + known["total"]) / 2)
    assert plans.plan(_config(), "local")["fits"] is False


def test_counting_asks_no_compiler(chip, monkeypatch):
    chip(1e9)
    monkeypatch.setattr(plans, "traced", None)
    assert plans.plan(_config(), "local", count=True)["fits"] is True


def test_what_the_compiler_said_is_kept_by_program_and_versions(tmp_path, monkeypatch):
    told, cache = [], str(tmp_path / "plans")
    first = plans.plan(_config(), "local", cache=cache, tell=told.append)
    assert told[0] == "tracing the step" and "lines of StableHLO for local" in told[1]
    with monkeypatch.context() as patched:
        patched.setattr(report, "of_program", None)
        assert plans.plan(_config(), "local", cache=cache) == first
        with pytest.raises(TypeError):
            plans.plan(_config(accumulate=2), "local", cache=cache)
        for level in ("jax_optimization_level", "jax_memory_fitting_level"):
            before = getattr(jax.config, level)
            try:
                jax.config.update(level, "O1")
                with pytest.raises(TypeError):
                    plans.plan(_config(), "local", cache=cache)
            finally:
                jax.config.update(level, before)
        patched.setattr(kept, "versions", lambda: {"jax": "0"})
        with pytest.raises(TypeError):
            plans.plan(_config(), "local", cache=cache)
    (path,) = (tmp_path / "plans").iterdir()
    path.write_text("[1")
    with pytest.raises(ValueError, match=f"{path}: holds no figures of a compiled step .*; remove it"):
        plans.plan(_config(), "local", cache=cache)


def test_accumulation_is_compiled_in_and_changes_no_flops():
    one, two = (plans.plan(_config(accumulate=parts), "local") for parts in (1, 2))
    assert one["model_flops"] == two["model_flops"]
    assert one["temporaries"] != two["temporaries"]


def test_a_batch_that_does_not_divide_is_told():
    with pytest.raises(ValueError, match="config.batch_size=2: is split over 1 devices and config.accumulate=4"):
        plans.plan(_config(accumulate=4), "local")


def test_without_the_compiler_for_tpus_its_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "libtpu", None)
    with pytest.raises(ImportError, match="--topology=v5e:4x4: needs the compiler for TPUs, pip install libtpu"):
        slices.devices_of("v5e:4x4")


def test_an_unknown_slice_is_one_line():
    pytest.importorskip("libtpu")
    with pytest.raises(ValueError, match="--topology=v5e:3x99: libtpu knows no such slice") as error:
        slices.devices_of("v5e:3x99")
    assert "\n" not in str(error.value)


def test_a_slice_that_is_not_here_is_counted():
    pytest.importorskip("libtpu")
    found = plans.plan(_config(batch_size=16), "v5e:4x4", count=True)
    assert found["devices"] == 16 and found["device_kind"] == "TPU v5 lite"
    assert found["limit"] == devices._CHIPS["TPU v5 lite"].memory


def test_the_command_writes_figures_and_fails_where_it_does_not_fit(tmp_path):
    flags = ["--config=configs/tokenizer.py:tiny", "--topology=local", "--count", f"--out={tmp_path}/plan.json"]
    done = command_line.run("launch.compile", *flags)
    assert done.returncode == 0 and "model TFLOP a step" in done.stdout
    assert json.loads((tmp_path / "plan.json").read_text())["topology"] == "local"
    done = command_line.run("launch.compile", *flags[:1])
    assert done.returncode == 1 and "--topology is missing" in done.stderr
