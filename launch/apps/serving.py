"""Serves the app until it is stopped."""

import contextlib
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from launch.apps.gate import Gate
from launch.apps.jobs import Jobs
from launch.apps.limits import MEGA, Limits
from launch.apps.making import Maker
from launch.apps.rooms import Rooms
from launch.apps.visits import Visits
from launch.making import examples
from launch.shell import origins, tunnels

_SWEEP = 30.0  # s between looks at old files
_STORED = 4000 * MEGA  # bytes of all files, beyond which no upload is taken
# Of Gradio and what it stands on; read when they are imported or when a page is built.
_ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SHARE": "False", "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False", "GRADIO_RUN_HISTORY": "False", "HF_HUB_DISABLE_TELEMETRY": "1",
}  # fmt: skip
_DOCS = ("docs_url", "redoc_url", "openapi_url")  # of FastAPI
_UNWANTED = ("GRADIO_ALLOWED_PATHS", "GRADIO_ROOT_PATH", "GRADIO_NUM_WORKERS", "GRADIO_WATCH_DIRS")


class Place(NamedTuple):
    """Where the app listens. origin: what visitors type where others reach it, else None."""

    host: str
    port: int
    origin: str | None


def check(place: Place) -> None:
    """Before anything long starts. Raises ValueError, and ImportError without the extra."""
    if place.origin is not None and not origins.is_origin(place.origin):
        raise ValueError(f"--origin={place.origin}: write it as https://HOST or http://HOST:PORT, without a path")
    if place.origin is None and not origins.is_loopback(place.host):
        raise ValueError(f"--host={place.host}: others may reach it; give --origin too, the address that visitors type")
    os.environ.update(_ENVIRONMENT)
    for name in _UNWANTED:
        os.environ.pop(name, None)
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ImportError("the app needs Gradio; install the extra, pip install xdancer_jax[app]") from error


def serve(maker: Maker, place: Place, size: tuple[int, int]) -> Iterator[str]:
    """Yields lines to be shown, the last one when the app listens; then works off jobs in this thread.

    size: (height, width) of videos.

    Raises:
      OSError: the port is taken.
    """
    stop = threading.Event()
    with opened(maker, place, size, stop) as (visits, address):
        yield f"visitors open {place.origin or address}/; Ctrl-C ends"
        visits.jobs.run_forever(stop)


@contextlib.contextmanager
def opened(
    maker: Maker, place: Place, size: tuple[int, int], stop: threading.Event
) -> Iterator[tuple[Visits, str]]:
    """An app that listens, and its address here; somebody must work off its jobs. Its files go with the block."""
    with _folder() as folder:
        from launch.apps import page  # brings in Gradio, which asks for the folder

        limits, rooms = maker.limits, Rooms(folder)
        visits = Visits(rooms, Jobs(limits.waiting), maker, limits)
        built = page.build(visits, examples.make(rooms.examples, size))
        sweeper = threading.Thread(target=_sweep, args=(rooms, limits, stop), daemon=True)
        try:
            address = _launch(built, rooms, limits, place)
            sweeper.start()
            yield visits, address
        finally:
            stop.set()
            built.close(verbose=False)


def _launch(built: Any, rooms: Rooms, limits: Limits, place: Place) -> str:
    import gradio as gr
    from starlette.middleware import Middleware

    from launch.apps import words

    def full() -> bool:
        return rooms.used() > _STORED

    gate = Middleware(
        Gate, origin=place.origin, inside=rooms.inside, upload_bytes=limits.upload_bytes(), full=full
    )
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    port = place.port or tunnels.free_port()
    try:
        built.launch(
            server_name=place.host, server_port=port, root_path=place.origin or "", share=False, inbrowser=False,
            prevent_thread_lock=True, quiet=True, show_error=False, allowed_paths=[], strict_cors=True,
            max_file_size=limits.upload_bytes(), enable_monitoring=False, mcp_server=False, ssr_mode=False, pwa=False,
            run_history=False, footer_links=[], app_kwargs={"middleware": [gate]} | dict.fromkeys(_DOCS),
            theme=gr.themes.Default(**fonts), css=words.CSS, head=words.SCRIPT,
        )  # fmt: skip
    except (OSError, OverflowError) as error:
        raise OSError(f"--host={place.host} --port={place.port}: cannot listen there: {error}") from error
    return f"http://{f'[{place.host}]' if ':' in place.host else place.host}:{port}"


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """This app's own, which Gradio uses, too."""
    names = ("GRADIO_TEMP_DIR", "GRADIO_EXAMPLES_CACHE")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="xdancer_app_", ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve()
        os.environ.update(GRADIO_TEMP_DIR=str(folder), GRADIO_EXAMPLES_CACHE=str(folder / "none"))
        try:
            yield folder
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def _sweep(rooms: Rooms, limits: Limits, stop: threading.Event) -> None:
    while not stop.wait(_SWEEP):
        try:
            rooms.sweep(60 * limits.kept_minutes)
        except OSError:
            logging.getLogger(__name__).exception("old files could not be removed")


__all__ = ["Place", "check", "opened", "serve"]
