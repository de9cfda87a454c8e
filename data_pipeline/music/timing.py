"""The clock of music features: row t is centred on video time t / 30 s."""

from typing import Final

FPS: Final = 30
HOP: Final = 512  # samples a row
SAMPLE_RATE: Final = FPS * HOP  # Hz at which songs are analysed

__all__ = ["FPS", "HOP", "SAMPLE_RATE"]
