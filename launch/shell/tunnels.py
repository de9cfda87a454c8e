"""Connections handed on: from a port of this machine to process 0, and inside process 0 to JAX's service."""

import asyncio
import contextlib
import json
import socket

_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def free_port() -> int:
    """A port of this machine that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def listen(host: str, port: int, greeting: str) -> asyncio.Server:
    """A port of this machine whose connections are handed on to `host`:`port`, where each begins with `greeting`.

    Where the other end is gone, this end stays open, with nothing coming.
    """
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                far = await asyncio.open_connection(host, port)
                far[1].write(json.dumps(greeting).encode() + b"\n")
                await asyncio.gather(_copy(reader, far[1], close=True), _copy(far[0], writer, close=False))
            while await reader.read(1 << 16):
                pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: _Ends) -> None:
    """Copies both ways until both are closed."""
    await asyncio.gather(_copy(reader, far[1], close=True), _copy(far[0], writer, close=True))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, close: bool) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
    finally:
        if close:
            writer.close()

__all__ = ["free_port", "join", "listen"]
