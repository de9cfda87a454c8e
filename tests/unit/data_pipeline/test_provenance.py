"""What a video says of where its pictures come from, as others read it; videos of real pictures say nothing."""

import struct
import uuid

import av
import numpy as np
import pytest

from data_pipeline import provenance, video_files

FRAMES = np.random.default_rng(0).integers(0, 256, (6, 32, 48, 3), np.uint8)
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SPACE = 'xmlns:p="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'


def written(path, source, audio=None):
    video_files.write_video(path, FRAMES, 25, audio, 44100, source=source)
    with av.open(str(path)) as container:
        return dict(container.metadata)


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (provenance.GENERATED, "trainedAlgorithmicMedia", "AI-generated"),
        (provenance.COMPOSITE, "compositeWithTrainedAlgorithmicMedia", "Partly AI-generated"),
    ],
)
def test_generated_pictures_say_so_in_tags_and_in_xmp(tmp_path, source, code, said):
    found = written(tmp_path / "a.mp4", source, np.zeros(9000, np.float32))
    assert found["comment"].startswith(f"{said}: ") and found["encoder"] == "xdancer_jax"
    assert found["description"].startswith(found["comment"]) and found["description"].endswith(f" {IPTC}{code}")
    assert provenance.source_of(tmp_path / "a.mp4") == source == IPTC + code


def test_real_pictures_say_nothing(tmp_path):
    found = written(tmp_path / "a.mp4", None)
    assert not {"comment", "description"} & found.keys() and "xdancer" not in str(found)
    assert provenance.source_of(tmp_path / "a.mp4") is None
    assert b"AI-generated" not in (tmp_path / "a.mp4").read_bytes()


def boxes(content):
    """(kind, first byte, length) of the boxes of an MP4, one after the other (ISO 14496-12, 4.2)."""
    at = 0
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        yield kind, at, size
        at += size


def test_the_xmp_is_a_box_of_its_own_after_all_others_which_stay_what_they_were(tmp_path):
    sizes = {}
    for source in (None, provenance.GENERATED):
        written(tmp_path / "a.mp4", source)
        content = (tmp_path / "a.mp4").read_bytes()
        *sizes[source], (kind, at, size) = boxes(content)
        assert at + size == len(content)
    assert kind == b"uuid" and uuid.UUID(bytes=content[at + 8 : at + 24]).hex == "be7acfcb97a942e89c71999491e3afac"
    assert [kind for kind, *_ in sizes[provenance.GENERATED]][:1] == [b"ftyp"]
    assert len(list(video_files.iter_video(tmp_path / "a.mp4"))) == len(FRAMES)  # no warning of a cut-off file


def test_an_unknown_kind_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(KeyError):
        written(tmp_path / "a.mp4", "generated")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (f'<a {SPACE} p:DigitalSourceType="x"/>', "x"),
        (f"<a {SPACE}><b><p:DigitalSourceType>y</p:DigitalSourceType></b></a>", "y"),
        ("<a/>", None), ("<a", None), ("", None),
    ],
)  # fmt: skip
def test_xmp_of_others_is_read_in_both_spellings(tmp_path, monkeypatch, packet, found):
    monkeypatch.setattr(provenance, "_PACKET", packet)
    written(tmp_path / "a.mp4", provenance.GENERATED)
    assert provenance.source_of(tmp_path / "a.mp4") == found
