"""Pieces of the page in HTML: sentences beside fields, progress, the time line. Whatever files say is made safe."""

import numpy as np

from data_pipeline import image_files
from launch.apps import making
from launch.apps.jobs import Job
from launch.apps.limits import Limits
from launch.reporting.markup import text, url

HEAD = """# A photo and a song become a dance
One person, the whole body in sight; a song; some minutes of computing."""
TOY = """

This is the toy model that comes with the project: it has seen drawn dancers alone, and paints no people. Click an
example; with a photo of yours look at the skeleton. `--runs` gives the page another model (docs/weights.md)."""
SYNTHETIC = "<p class='mark'>Synthetic video: a computer made it of a photo and a song. The dancer never moved so.</p>"


def note(sentence: str) -> str:
    """Beside a field; nothing for no sentence."""
    return f'<p class="note" role="alert">{text(sentence)}</p>' if sentence else ""


def hint(sentence: str) -> str:
    return f'<p class="hint" role="status">{text(sentence)}</p>' if sentence else ""


def picture(frame: np.ndarray | None, says: str) -> str:
    """In the page itself, so that there is no file of it."""
    if frame is None:
        return ""
    source = url(image_files.encode_jpeg(frame), ".jpg")
    return f'<figure class="pose"><img src="{source}" alt="{text(says)}"><figcaption>{text(says)}</figcaption></figure>'


def status(job: Job, before: int) -> str:
    """How far a job is, for who sees and who hears it."""
    said, share = making.words(job, before)
    done = "" if share is None else f' value="{share:.3f}"'
    percent = "" if share is None else f" {100 * share:.0f}%"
    return f'{hint(said + percent)}<progress aria-label="{text(said)}"{done}></progress>'


def time_line(chart: str, seconds: float) -> str:
    return f'<figure class="line" data-seconds="{seconds:.3f}">{chart}</figure>'


def privacy(limits: Limits) -> str:
    return (
        "Your files stay on the machine that runs this page, and nobody else is shown them. They are removed when you "
        f"close the page, or after {limits.kept_minutes:g} minutes. Give only photos of people who agree to it."
    )


CSS = """
.gradio-container { width: 100%; min-width: 0; max-width: min(1080px, 100%) !important; margin: 0 auto; }
.note { color: #b42318; font-weight: 600; margin: 0.2rem 0; overflow-wrap: anywhere; }
.dark .note { color: #ff9a8f; }
.hint { margin: 0.2rem 0; overflow-wrap: anywhere; }
.mark { border-left: 4px solid currentColor; padding-left: 0.6rem; margin: 0.3rem 0; font-weight: 600; }
.pose { margin: 0; text-align: center; }
.pose img { height: min(320px, 50vh); width: auto; max-width: 100%; display: inline-block; border-radius: 6px; }
.line { margin: 0 auto; max-width: 760px; padding-left: 1rem; }
.line svg { width: 100%; height: auto; overflow: visible; }
.line figcaption, .pose figcaption { font-size: 0.9rem; opacity: 0.85; }
progress { width: 100%; height: 0.8rem; }
#examples button, #make, #cancel, #made button { min-height: 44px; }
[id$="-note"]:not(:has(p)), #status:not(:has(p)), #preview:not(:has(img)) { display: none; }
"""

# A line on the time line says where the video is, and a click there takes the video to it.
SCRIPT = """<script>
(() => {
  const move = (video) => {
    const line = document.querySelector("#line .line"), now = line && line.querySelector(".now");
    if (!now || !video.closest("#made")) return;
    const share = Math.min(1, video.currentTime / Number(line.dataset.seconds));
    now.setAttribute("transform", `translate(${share * line.querySelector(".plane").getBBox().width} 0)`);
  };
  for (const name of ["timeupdate", "seeked", "ended"]) {
    document.addEventListener(name, (event) => { if (event.target.tagName === "VIDEO") move(event.target); }, true);
  }
  document.addEventListener("click", (event) => {
    const line = event.target.closest && event.target.closest("#line .line");
    const video = document.querySelector("#made video");
    if (!line || !video) return;
    const plane = line.querySelector(".plane").getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - plane.left) / plane.width));
    video.currentTime = share * Number(line.dataset.seconds);
  });
})();
</script>"""

__all__ = ["CSS", "HEAD", "SCRIPT", "SYNTHETIC", "TOY", "hint", "note", "picture", "privacy", "status", "time_line"]
