"""What raters are asked: the five criteria of X-Dancer's user study. Its wording is not known; this is ours."""

from typing import Final

QUESTIONS: Final = {
    "identity": "In which clip does the dancer keep the same face, hair and clothes best?",
    "beat": "In which clip do the moves follow the beat best?",
    "style": "In which clip does the style of the dance fit the music best?",
    "naturalness": "In which clip does the dancer move most naturally?",
    "overall": "Which clip is best overall?",
}
WITH_PHOTO: Final = {"identity": "In which clip does the dancer look most like the person in the photo?"}
TIE: Final = "same"  # the choice that stands for "no difference"


def asked(photos: bool) -> dict[str, str]:
    """Text of every question, by name, for a study with photos of the dancers or without."""
    return QUESTIONS | (WITH_PHOTO if photos else {})


__all__ = ["QUESTIONS", "TIE", "asked"]
