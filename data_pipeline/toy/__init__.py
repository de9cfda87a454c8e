"""Procedural dances with exact beats, poses and frames: data that needs no download."""

from data_pipeline.toy.clip import make_clip, make_dancer
from data_pipeline.toy.dance import Motion, make_motion
from data_pipeline.toy.figure import Dancer
from data_pipeline.toy.music import GENRES, Song, make_song
from data_pipeline.toy.render import render

__all__ = [
    "GENRES", "Dancer", "Motion", "Song", "make_clip", "make_dancer", "make_motion", "make_song", "render",
]
