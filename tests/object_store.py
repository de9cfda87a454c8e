"""An object store on loopback: what gcsfs, google-cloud-storage and tensorstore ask of Google Cloud Storage's JSON API.

An object is put whole or not at all. As there, nothing can be appended to or renamed; copying, which clients use in
place of renaming, is refused as well (405), so that a write that counts on it goes red.
"""

import base64
import contextlib
import dataclasses
import datetime
import hashlib
import itertools
import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_OBJECT = re.compile(r"/(?:download/)?storage/v1/b/([^/]+)/o/(.+)")
_OBJECTS = re.compile(r"/storage/v1/b/([^/]+)/o")
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)")
_UPLOAD = re.compile(r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o")
_CHUNK = 2**18  # bytes; a part of a resumable upload that is not its last is a multiple of it


@dataclasses.dataclass
class Object:
    data: bytes
    generation: int
    updated: datetime.datetime


class Store:
    """Buckets in memory. Everything may be looked at and changed from a test while clients use it.

    Attributes:
      objects: by bucket and name.
      asked: (method, path with query) of every request so far.
      page: objects and prefixes that one answer to a listing holds.
      broken: a pattern over "METHOD path?query"; what matches it is answered by 403.
    """

    def __init__(self, *buckets: str):
        self.objects: dict[str, dict[str, Object]] = {bucket: {} for bucket in buckets}
        self.asked: list[tuple[str, str]] = []
        self.page, self.broken, self.lock = 1000, "", threading.RLock()
        self.uploads: dict[str, tuple[str, dict, bytearray]] = {}  # begun, by id: (bucket, query, what came so far)
        self.numbers = itertools.count(1)
        self.url = ""

    def reset(self) -> None:
        """As it was made."""
        with self.lock:
            for objects in self.objects.values():
                objects.clear()
            self.asked.clear()
            self.page, self.broken = 1000, ""

    @property
    def environment(self) -> dict[str, str]:
        """What makes clients of a process use this store, without credentials."""
        return {
            "STORAGE_EMULATOR_HOST": self.url, "TENSORSTORE_GCS_HTTP_URL": self.url,
            "CLOUD_STORAGE_EMULATOR_ENDPOINT": self.url,  # the last one is ArrayRecord's
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none",  # tensorstore's; else it looks for a machine of Google's
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # asks by gRPC, which knows no emulator
        }

    def names(self, bucket: str) -> list[str]:
        with self.lock:
            return sorted(self.objects[bucket])

    def put(self, bucket: str, name: str, data: bytes, match: str | None = None) -> tuple[int, dict]:
        """(status, resource or error); `match`: generation that it must have before, "0" for none."""
        with self.lock:
            before = self.objects[bucket].get(name)
            if match is not None and int(match) != (before.generation if before else 0):
                return 412, _error(412, "conditionNotMet")
            now = datetime.datetime.now(datetime.UTC)
            self.objects[bucket][name] = Object(data, next(self.numbers), now)
            return 200, self.resource(bucket, name)

    def resource(self, bucket: str, name: str) -> dict:
        """As the JSON API describes an object."""
        found = self.objects[bucket][name]
        return {
            "kind": "storage#object", "name": name, "bucket": bucket, "generation": str(found.generation),
            "metageneration": "1", "size": str(len(found.data)), "contentType": "application/octet-stream",
            "md5Hash": base64.b64encode(hashlib.md5(found.data).digest()).decode(), "storageClass": "STANDARD",
            "etag": str(found.generation),
            **dict.fromkeys(("timeCreated", "updated"), f"{found.updated:%Y-%m-%dT%H:%M:%S.%fZ}"),
        }

    def listing(self, bucket: str, query: dict[str, str]) -> dict:
        """A page of names in order, those below a delimiter folded into prefixes."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        items, prefixes, token = [], [], query.get("pageToken", "")
        limit = min(int(query.get("maxResults", self.page)), self.page)
        with self.lock:
            for name in sorted(self.objects[bucket]):
                low, high = query.get("startOffset", ""), query.get("endOffset")
                if not name.startswith(prefix) or name < low or (high and name >= high):
                    continue
                folder, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
                key = prefix + folder + delimiter if found else name
                if key <= token or key in prefixes:
                    continue
                if len(items) + len(prefixes) == limit:
                    last = max([*prefixes, *(item["name"] for item in items)])
                    return {"kind": "storage#objects", "items": items, "prefixes": prefixes, "nextPageToken": last}
                if found:
                    prefixes.append(key)
                else:
                    items.append(self.resource(bucket, name))
        return {"kind": "storage#objects", "items": items, "prefixes": prefixes}


def _error(status: int, reason: str) -> dict:
    return {"error": {"code": status, "message": reason, "errors": [{"reason": reason, "message": reason}]}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store: Store

    def log_message(self, *unused) -> None:
        pass

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.store.asked.append((self.command, self.path))
        if self.store.broken and re.search(self.store.broken, f"{self.command} {unquote(self.path)}"):
            return self._answer(403, _error(403, "forbidden"))
        for pattern, answer in ((_OBJECT, self._object), (_OBJECTS, self._list), (_BUCKET, self._bucket),
                                (_UPLOAD, self._upload)):
            if match := pattern.fullmatch(parts.path):
                bucket, *name = map(unquote, match.groups())
                if bucket not in self.store.objects:
                    return self._answer(404, _error(404, "notFound"))
                return answer(bucket, *name, query, body)
        return self._answer(405, _error(405, "methodNotAllowed"))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _handle

    def _answer(self, status: int, content: dict | bytes = b"", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        headers = {"Content-Type": "application/octet-stream" if content is data else "application/json"} | headers
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(ConnectionError):  # a client that asks twice at once drops the slower answer
            self.end_headers()
            self.wfile.write(data)

    def _bucket(self, bucket: str, query: dict, body: bytes) -> None:
        if self.command != "GET":
            return self._answer(405, _error(405, "methodNotAllowed"))
        return self._answer(200, {"kind": "storage#bucket", "name": bucket, "id": bucket, "location": "US"})

    def _list(self, bucket: str, query: dict, body: bytes) -> None:
        if self.command != "GET":
            return self._answer(405, _error(405, "methodNotAllowed"))
        return self._answer(200, self.store.listing(bucket, query))

    def _object(self, bucket: str, name: str, query: dict, body: bytes) -> None:
        if self.command not in ("GET", "DELETE") or "/rewriteTo/" in name:
            return self._answer(405, _error(405, "methodNotAllowed"))
        with self.store.lock:
            found = self.store.objects[bucket].get(name)
            if found is None:
                return self._answer(404, _error(404, "notFound"))
            for condition, failed in (("ifGenerationMatch", 412), ("ifGenerationNotMatch", 304)):
                given = query.get(condition)
                if given is not None and (int(given) == found.generation) != (failed == 412):
                    return self._answer(failed, _error(failed, "conditionNotMet") if failed == 412 else b"")
            if self.command == "DELETE":
                del self.store.objects[bucket][name]
                return self._answer(204)
            resource = self.store.resource(bucket, name)
        if query.get("alt") != "media":
            return self._answer(200, resource)
        return self._media(found)

    def _media(self, found: Object) -> None:
        own, size = {"x_goog_generation": str(found.generation)}, len(found.data)
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self._answer(200, found.data, **own)
        first, last = asked.groups()
        start, stop = (int(first), int(last or size - 1) + 1) if first else (max(0, size - int(last)), size)
        if start >= size:
            return self._answer(416, _error(416, "requestedRangeNotSatisfiable"), Content_Range=f"bytes */{size}")
        data = found.data[start:stop]
        return self._answer(206, data, Content_Range=f"bytes {start}-{start + len(data) - 1}/{size}", **own)

    def _upload(self, bucket: str, query: dict, body: bytes) -> None:
        kind, match = query.get("uploadType"), query.get("ifGenerationMatch")
        if "upload_id" in query:
            return self._part(query["upload_id"], body)
        if kind == "media":
            return self._answer(*self.store.put(bucket, query["name"], body, match))
        if kind == "multipart":
            boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
            _, about, content = body.split(b"--" + boundary, 2)
            name = json.loads(re.split(rb"\r?\n\r?\n", about, maxsplit=1)[1])["name"]
            data = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[1]
            data = re.sub(rb"\r?\n--" + re.escape(boundary) + rb"--\s*\Z", b"", data)
            return self._answer(*self.store.put(bucket, name, data, match))
        if kind == "resumable":
            query.setdefault("name", json.loads(body or b"{}").get("name", ""))
            number = str(next(self.store.numbers))
            self.store.uploads[number] = bucket, query, bytearray()
            where = f"{self.store.url}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={number}"
            return self._answer(200, Location=where)
        return self._answer(400, _error(400, "uploadType"))

    def _part(self, number: str, body: bytes) -> None:
        """The next part of a resumable upload; nothing is there before the last one came."""
        if self.command == "DELETE":
            self.store.uploads.pop(number, None)
            return self._answer(499)
        bucket, query, held = self.store.uploads[number]
        _, start, total = re.fullmatch(r"bytes ((\d+)-\d+|\*)/(\d+|\*)", self.headers["Content-Range"]).groups()
        if start is not None and int(start) != len(held):
            return self._answer(400, _error(400, f"the next byte is {len(held)}"))
        held += body
        if total == "*" and len(body) % _CHUNK:
            return self._answer(400, _error(400, "parts are multiples of 256 KiB"))
        if total == "*":
            return self._answer(308, Range=f"bytes=0-{len(held) - 1}")
        del self.store.uploads[number]
        return self._answer(*self.store.put(bucket, query["name"], bytes(held), query.get("ifGenerationMatch")))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """Says nothing of clients that were killed, or closed what they kept open."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def running(*buckets: str) -> Iterator[Store]:
    """A store with empty `buckets` on a free port of loopback, while the block runs."""
    store = Store(*buckets)
    handler = type("Handler", (_Handler,), {"store": store})
    server = _Server(("127.0.0.1", 0), handler)
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
