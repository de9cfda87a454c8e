"""Charts as inline SVG that take the page's colours: matplotlib draws them in a colour that the page's own replaces."""

import io
import re
from collections.abc import Callable
from typing import Any

from launch.reporting.markup import text

PART = "chart-"
_INK = "#010203"  # stands for the page's colour of text
SERIES = ("#2a7ab9", "#d9742b", "#3f9b57", "#a05bb5", "#c2454f", "#7f7f2a")  # readable on white and on black


def svg(draw: Callable[[Any], None], says: str, size: tuple[float, float] = (4.8, 2.4)) -> str:
    """An <svg> as wide as its place, of what `draw` puts onto the axes.

    says: what it tells to whoever does not see it. size: inches, which decide how large the words are. An artist whose
    gid is PART + NAME becomes an element of the class NAME.
    """
    import matplotlib
    from matplotlib.figure import Figure

    inks = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    style = dict.fromkeys(inks, _INK) | {
        "svg.fonttype": "none", "svg.hashsalt": "report", "font.size": 10, "axes.spines.top": False,
        "axes.spines.right": False, "legend.frameon": False, "legend.labelcolor": _INK, "path.simplify": True,
    }  # fmt: skip
    file = io.BytesIO()
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = file.getvalue().decode()
    drawn = drawn[drawn.index("<svg") :].replace(_INK, "currentColor")
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(f'id="{PART}', 'class="', drawn)  # ids would stand in the page once a chart
    head, rest = drawn.split(">", 1)  # its place in the page says how large it is
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    drawn = f"{head}>{rest}"
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{text(says)}" ', 1)


__all__ = ["PART", "SERIES", "svg"]
