"""Anyone's files get our figures; what does not fit is named, counted and never averaged away."""

import json
import shutil

import av
import numpy as np
import pytest

from data_pipeline import pose_files, provenance, video_files
from launch.suites import outside
from launch.suites.networks import Given

NONE = Given({})


def video(path, frames=6, fps=30, size=16, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3), np.uint8)
    video_files.write_video(path, pixels, fps)


def results(folder):
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_videos_beside_true_ones(tmp_path, capsys):
    made, truth, out = (tmp_path / name for name in ("made", "truth", "out"))
    made.mkdir(), truth.mkdir()
    for i in range(3):
        video(truth / f"clip{i}.mp4", seed=i)
    shutil.copy(truth / "clip0.mp4", made / "clip0.mp4")
    video(made / "clip1.mp4", seed=9)
    video(made / "clip2.mp4", fps=25)
    video(made / "other.mp4")
    (truth / "cut.mp4").write_bytes((truth / "clip0.mp4").read_bytes())
    (made / "cut.mp4").write_bytes((truth / "clip0.mp4").read_bytes()[:200])
    what, only = outside.Outside(str(made), str(truth), None), ("frame_l1_mean", "psnr_float")
    outside.run(what, str(out), "all", NONE, "alex", only)
    shown, found = capsys.readouterr().out, results(out / "video")
    for line in ("clip2.mp4: 25.0 frames a second, the true one has 30.0", "other.mp4: no true clip", "cut.mp4"):
        assert f"left out: {line}" in shown or f"/{line}" in shown
    assert found.keys() == set(only) and found["psnr_float"]["step"] is None
    result = found["frame_l1_mean"]["result"]
    assert (result["counts"]["videos"], result["counts"]["frames"], result["counts"]["clips_left_out"]) == (2, 12, 3)
    true, ours = (
        np.stack([frame.picture for frame in video_files.iter_video(folder / "clip1.mp4")]) / 255
        for folder in (truth, made)
    )
    assert result["values"]["score"] == pytest.approx(np.abs(true - ours).mean() / 2)  # clip0 has no error
    kept = {path.name for path in (out / "video" / "clips").iterdir()}
    assert {"clip0.mp4", "clip0_truth.mp4", "clip1.mp4", "clip1.npz"} <= kept and "other.mp4" not in kept
    outside.run(what, str(out), "video", NONE, "alex", only)
    assert capsys.readouterr().out.count("there already") == 2
    video(made / "clip1.mp4", seed=10)
    outside.run(what, str(out), "video", NONE, "alex", only)
    assert results(out / "video")["frame_l1_mean"]["result"]["values"] != result["values"]


def test_pose_files_beside_true_ones(tmp_path):
    rng, made = np.random.default_rng(0), tmp_path / "made"
    made.mkdir()
    for name in ("a", "a_truth", "b", "b_truth"):
        motion = np.concatenate([rng.uniform(10, 90, (20, 60, 2)), np.ones((20, 60, 1))], -1).astype(np.float32)
        pose_files.save_poses(made / f"{name}.npz", motion, 30, 100, 100)
    what = outside.Outside(str(made), None, None)
    outside.run(what, str(tmp_path / "out"), "motion", NONE, "alex", ("jerk_2d_body",))
    [result] = results(tmp_path / "out" / "motion").values()
    assert result["result"]["counts"]["motions"] == 2 and result["result"]["counts"]["clips_left_out"] == 0
    videos = (tmp_path / "out" / "motion" / "clips").glob("*.mp4")
    said = {path.stem: provenance.source_of(path) for path in videos}
    assert said == {"a": provenance.GENERATED, "a_truth": None, "b": provenance.GENERATED, "b_truth": None}


def test_videos_that_are_shown_in_another_format_say_whose_pictures_they_are(tmp_path):
    video(tmp_path / "clip.mp4")
    video(tmp_path / "clip_truth.mp4", seed=1)
    made, shown = tmp_path / "made", tmp_path / "out" / "video" / "clips"
    made.mkdir()
    for name in ("clip", "clip_truth"):  # another container of the same streams, which are encoded anew to be shown
        with av.open(str(tmp_path / f"{name}.mp4")) as source, av.open(str(made / f"{name}.mkv"), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    only = ("frame_l1_mean",)
    outside.run(outside.Outside(str(made), None, None), str(tmp_path / "out"), "video", NONE, "alex", only)
    assert provenance.source_of(shown / "clip.mp4") == provenance.GENERATED
    assert provenance.source_of(shown / "clip_truth.mp4") is None


def test_nothing_to_measure_is_a_line(tmp_path):
    def run(folder, suite="all"):
        outside.run(outside.Outside(str(folder), None, None), str(tmp_path / "out"), suite, NONE, "alex", ())

    with pytest.raises(ValueError, match="no such folder"):
        run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no videos"):
        run(tmp_path)
    with pytest.raises(ValueError, match="of a run alone"):
        run(tmp_path, "reconstruction")
    video(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="none of 1 files is left for the suite video"):
        run(tmp_path)
