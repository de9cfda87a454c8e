"""The page, in Gradio: what stands where, and what is called when. Importing it needs the extra `app`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import gradio as gr

from launch.apps import words
from launch.apps.jobs import CANCELLED, DONE, Job
from launch.apps.refusals import Refused
from launch.apps.visits import Visits
from launch.making.examples import Example

_LOOK = 0.3  # s between looks at a job
# Handlers get what the page sends: Gradio's own readers of photos and sounds would show errors in a corner, far from
# the field, and open what is not let through yet.
_PLAIN = {"preprocess": False, "show_progress": "hidden", "api_visibility": "private"}


class Fields(NamedTuple):
    """Components that handlers read and write. notes: by field."""

    photo: Any
    pose: Any
    song: Any
    seconds: Any
    seed: Any
    temperature: Any
    notes: dict[str, Any]
    preview: Any
    make: Any
    cancel: Any
    status: Any
    made: Any
    video: Any
    skeleton: Any
    line: Any
    files: tuple[Any, Any]


def build(visits: Visits, examples: Sequence[Example]) -> gr.Blocks:
    """The page, not yet served."""
    with gr.Blocks(title="X-Dancer: a photo and a song become a dance", analytics_enabled=False) as page:
        gr.Markdown(words.HEAD + (words.TOY if visits.maker.toy else ""))
        with gr.Row(elem_id="examples"):
            buttons = [gr.Button(f"Example: {each.name}", icon=each.photo, min_width=150) for each in examples]
        fields = _fields(visits)
        gr.Markdown(words.privacy(visits.limits))
        _wire(page, visits, fields)
        for button, example in zip(buttons, examples, strict=True):
            paths = [str(example.photo), str(example.pose), str(example.song)]
            button.click(lambda paths=paths: paths, None, [fields.photo, fields.pose, fields.song], **_PLAIN)
    return page.queue(default_concurrency_limit=1, api_open=False, max_size=10 * (visits.limits.waiting + 10))


def _fields(visits: Visits) -> Fields:
    notes = {}
    with gr.Row():
        with gr.Column(min_width=320):
            photo = gr.Image(
                label="Photo", sources=["upload", "webcam"], type="filepath", height=360, elem_id="photo",
                webcam_options=gr.WebcamOptions(mirror=False), buttons=["fullscreen"],
            )  # fmt: skip
            notes["photo"] = gr.HTML(elem_id="photo-note")
            with gr.Accordion("Pose file, for a photo whose pose is not found", open=False):
                pose = gr.File(label="Pose of this photo (.npz)", file_types=[".npz"], elem_id="pose")
            notes["pose"] = gr.HTML(elem_id="pose-note")
            preview = gr.HTML(elem_id="preview")
        with gr.Column(min_width=320):
            song = gr.Audio(
                label="Song", sources=["upload"], type="filepath", editable=False, buttons=[], elem_id="song"
            )
            notes["song"] = gr.HTML(elem_id="song-note")
            numbers = []
            for name, component in _numbers(visits).items():
                numbers.append(component)
                notes[name] = gr.HTML(elem_id=f"{name}-note")
            with gr.Row():
                make = gr.Button("Make the dance", variant="primary", elem_id="make")
                cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel")
            status = gr.HTML(elem_id="status")
            notes[""] = gr.HTML(elem_id="other-note")
    return Fields(photo, pose, song, *numbers, notes, preview, make, cancel, status, *_results())


def _numbers(visits: Visits) -> dict[str, Any]:
    most = visits.limits.seconds
    return {
        "seconds": gr.Slider(1, most, min(10.0, most), step=0.5, label="Seconds of dance", elem_id="seconds"),
        "seed": gr.Number(0, precision=0, label="Seed: another number, another dance", elem_id="seed"),
        "temperature": gr.Slider(
            0.05, 2, visits.maker.temperature, step=0.05, label="Temperature: higher is more daring",
            elem_id="temperature",
        ),
    }  # fmt: skip


def _results() -> tuple[Any, ...]:
    with gr.Column(visible=False, elem_id="made") as made:
        gr.HTML(words.SYNTHETIC)
        with gr.Row():
            video = gr.Video(label="The dance", interactive=False, buttons=[], elem_id="video", height=480)
            skeleton = gr.Video(label="Its skeleton", interactive=False, buttons=[], elem_id="skeleton", height=480)
        line = gr.HTML(elem_id="line")
        with gr.Row():
            files = (
                gr.DownloadButton("Video (.mp4)", elem_id="get-video"),
                gr.DownloadButton("Poses and tokens (.npz)", elem_id="get-poses"),
            )
    return made, video, skeleton, line, files


def _wire(page: gr.Blocks, visits: Visits, fields: Fields) -> None:
    notes = fields.notes

    def look(photo: Any, pose: Any, request: gr.Request) -> list[str]:
        try:
            found = visits.look(_owner(request), photo, pose)
        except Refused as refused:
            return [words.note(str(refused) if refused.field == field else "") for field in ("photo", "pose")] + [""]
        return [words.hint(found.doubts), "", words.picture(found.picture, "What the dance begins with")]

    def listen(song: Any, request: gr.Request) -> str:
        try:
            visits.listen(_owner(request), song)
        except Refused as refused:
            return words.note(str(refused))
        return ""

    async def make(photo, pose, song, seconds, seed, temperature, request: gr.Request) -> AsyncIterator[dict]:
        owner, blank = _owner(request), {note: "" for note in notes.values()}
        files = {"photo": photo, "pose": pose, "song": song}
        numbers = {"seconds": seconds, "seed": seed, "temperature": temperature}
        begun = {fields.make: gr.Button(interactive=False), fields.status: words.hint("Looking at your files")}
        yield blank | begun | {fields.made: gr.Column(visible=False), fields.video: None, fields.skeleton: None}
        try:
            job = await asyncio.to_thread(visits.ask, owner, files, numbers)
        except Refused as refused:
            yield _idle(fields) | {notes[refused.field]: words.note(str(refused))}
            return
        yield {fields.cancel: gr.Button(visible=True)}
        try:
            said = ""
            while not job.ended:
                if (now := words.status(job, visits.jobs.before(job))) != said:
                    said = now
                    yield {fields.status: said}
                await asyncio.sleep(_LOOK)
        finally:  # whoever is gone needs no dance
            if not job.ended:
                visits.jobs.cancel(owner)
        yield _ended(job, fields)

    def cancel(request: gr.Request) -> None:
        visits.jobs.cancel(_owner(request))

    def close(request: gr.Request) -> None:
        visits.close(_owner(request))

    looks, heard = [notes["photo"], notes["pose"], fields.preview], [notes["song"]]
    gr.on([fields.photo.change, fields.pose.change], look, [fields.photo, fields.pose], looks, **_PLAIN)
    fields.song.change(listen, [fields.song], heard, **_PLAIN)
    asked = [fields.photo, fields.pose, fields.song, fields.seconds, fields.seed, fields.temperature]
    changed = [*notes.values(), fields.status, fields.make, fields.cancel, fields.made, fields.video, fields.skeleton]
    fields.make.click(
        make, asked, [*changed, fields.line, *fields.files], concurrency_limit=None, trigger_mode="once", **_PLAIN
    )
    fields.cancel.click(cancel, None, None, **_PLAIN)
    page.unload(close)


def _owner(request: gr.Request) -> str:
    return str(request.session_hash)


def _idle(fields: Fields) -> dict:
    return {fields.make: gr.Button(interactive=True), fields.cancel: gr.Button(visible=False), fields.status: ""}


def _ended(job: Job, fields: Fields) -> dict:
    idle = _idle(fields)
    if job.state == DONE:
        made = job.result
        return idle | {
            fields.made: gr.Column(visible=True), fields.video: str(made.video), fields.skeleton: str(made.skeleton),
            fields.line: words.time_line(made.chart, made.seconds),
            fields.files[0]: gr.DownloadButton(value=str(made.video)),
            fields.files[1]: gr.DownloadButton(value=str(made.poses)),
        }  # fmt: skip
    if job.state == CANCELLED:
        return idle | {fields.status: words.hint("Cancelled.")}
    return idle | {fields.notes[job.refused.field]: words.note(str(job.refused))}


__all__ = ["build"]
