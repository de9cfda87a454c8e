import pytest

from launch.checks import listing, machine, run, tools
from launch.checks.findings import FAIL, OK, Finding
from launch.checks.processes import Group

ALONE = Group(Finding("processes", OK, "one"))
MACHINE = ["packages", "devices", "host memory"]
TOOLS = ["video", "tensorboard"]


@pytest.fixture(autouse=True)
def without_pose(monkeypatch):
    monkeypatch.setattr(tools, "pose_weights", lambda: None)


def names(*given):
    return [finding.name for finding in listing.found(*given)]


def test_without_config_and_work_directory_the_machine_is_looked_at():
    assert names(None, None, ALONE) == [*MACHINE, *TOOLS]


def test_storage_is_looked_at_where_a_run_is_to_lie(tmp_path):
    assert names(None, str(tmp_path), ALONE) == [*MACHINE, "free disk", "storage", "clock", *TOOLS]


def test_a_config_brings_its_mesh_parts_and_data(small, tmp_path):
    found = list(listing.found(small(), str(tmp_path / "run"), ALONE))
    assert [finding.name for finding in found] == [
        "packages", "devices", "mesh", "host memory", "free disk", "storage", "clock", "config", "work dir", "parts",
        "data", *TOOLS,
    ]
    assert not [finding for finding in found if finding.state == FAIL]


def test_devices_are_not_started_where_the_processes_did_not_join(small):
    found = names(small(), None, Group(Finding("processes", FAIL, "2 of 4")))
    assert not {"devices", "mesh", "device memory"} & set(found) and "data" in found


def test_a_failing_check_hides_no_other(small, monkeypatch, tmp_path):
    def no_device():
        raise RuntimeError("Unable to initialize backend")

    def no_package():
        raise ModuleNotFoundError("No module named 'av'")

    monkeypatch.setattr(machine, "devices", no_device)
    monkeypatch.setattr(tools, "video", no_package)
    config = small(mesh={"fsdp": 64}, accumulate=0)
    with config.unlocked():
        config.data.dir = str(tmp_path / "none")
    (tmp_path / "file").write_text("")
    found = {each.name: each for each in listing.found(config, str(tmp_path / "file" / "run"), ALONE)}
    assert [name for name, each in found.items() if each.state == FAIL] == [
        "devices", "mesh", "storage", "config", "data", "video",
    ]
    assert found["tensorboard"].state == OK
    assert all(";" in each.line() for each in found.values() if each.state == FAIL)  # what to do


def test_a_module_that_cannot_be_imported_is_a_line(monkeypatch):
    monkeypatch.setitem(listing.importlib.sys.modules, "launch.checks.tools", None)
    found = {each.name: each.state for each in listing.found(None, None, ALONE)}
    assert found == {"packages": OK, "devices": OK, "host memory": OK, "video": FAIL, "tensorboard": FAIL,
                     "pose weights": FAIL}


def test_the_first_process_alone_looks_at_the_lock(small, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(run, "workdir", lambda config, directory, first: asked.append(first))
    for number in (0, 1):
        list(listing.found(small(), str(tmp_path), Group(ALONE.finding, number, 2)))
    assert asked == [True, False]
