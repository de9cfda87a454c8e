import pytest

from benchmarks.measures import picture_records
from benchmarks.measures.picture_records import Runs


@pytest.mark.parametrize("run", [1, 3, 8])
def test_every_layout_gives_the_frames_that_are_asked_for(tmp_path, run):
    clips = [[f"{clip} {frame}".encode() * (frame + 1) for frame in range(10)] for clip in range(2)]
    layout = Runs(str(tmp_path / "a.array_record"), clips, run)
    assert layout.read(1, [9, 2, 3]) == [clips[1][9], clips[1][2], clips[1][3]]
    records = {frame // run for frame in (9, 2, 3)}
    expected = sum(len(p) + 4 for f, p in enumerate(clips[1]) if f // run in records)
    assert layout.bytes_read == expected


def test_runs_read_what_no_window_uses():
    found = picture_records.measure(picture_records.BRIEF)
    rows = {(row["window"], row["frames_a_record"]): row for row in found.figures["rows"]}
    assert len(rows) == 4 and all(row["examples_a_second"] > 0 for row in rows.values())
    for window in picture_records.WINDOWS:
        one, four = rows[window, 1], rows[window, 4]
        assert one["kilobytes_used"] == four["kilobytes_used"] and 0.9 < one["times_what_it_uses"] < 1.02
        assert four["times_what_it_uses"] > one["times_what_it_uses"]
    assert 2 < rows["appearance", 4]["times_what_it_uses"] < 4.5
