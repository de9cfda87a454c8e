"""Why something that a visitor gave cannot be used: a sentence, and the field that it stands beside."""

from collections.abc import Mapping

FIELDS = ("photo", "pose", "song", "seconds", "seed", "temperature", "")  # "" for none of them


class Refused(Exception):
    """Its text is the sentence."""

    def __init__(self, field: str, sentence: str):
        if field not in FIELDS:
            raise ValueError(f"no field {field!r}")
        super().__init__(sentence)
        self.field = field


def sentence(error: BaseException, names: Mapping[str, str]) -> str:
    """What an error says, as one sentence; paths of this machine are replaced by what the visitor knows them as.

    names: path -> its name. The longest path is replaced first.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    for path in sorted(names, key=len, reverse=True):
        text = text.replace(path, names[path])
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


__all__ = ["FIELDS", "Refused", "sentence"]
