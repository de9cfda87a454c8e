"""Ogg files in a row."""

import numpy as np

from data_pipeline import ogg_links
from tests import media


def test_a_chain_is_split_where_its_links_were_joined(tmp_path):
    links = []
    for rate in (16000, 24000, 48000):
        path = media.store_sound(tmp_path / "link.ogg", media.clicks(1, rate)[None], rate, "flac")
        links.append(path.read_bytes())
        assert ogg_links.split(path) == [None]
    chain = tmp_path / "chain.ogg"
    chain.write_bytes(b"".join(links))
    assert ogg_links.split(chain) == links
    torn = bytearray(chain.read_bytes())
    torn[len(links[0]) // 2 :][:50] = bytes(50)
    torn[len(links[0]) // 2 : len(links[0]) // 2 + 50] = bytes(50)
    chain.write_bytes(torn)
    assert ogg_links.split(chain)[1:] == links[1:]
    chain.write_bytes(links[0][:-100] + links[1])  # cut off within a page
    assert ogg_links.split(chain) == [links[0][:-100], links[1]]


def test_other_files_are_not_read(tmp_path):
    for content in (b"", b"Ogg", b"OggS", b"OggS" + bytes(40), b"RIFF OggS", np.random.default_rng(0).bytes(999)):
        (tmp_path / "a").write_bytes(content)
        assert ogg_links.split(tmp_path / "a") == [None]
