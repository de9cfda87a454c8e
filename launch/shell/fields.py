"""What the fields of a config are: held against their ranges, and for --help values, types and the comments beside
them in the config's sources."""

import ast
import functools
import importlib.util
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from configs import ranges

Comments = dict[tuple[str, ...], str]  # path of a field or block -> its comment


def listing(
    config: ConfigDict, source: str | Path, allowed: Mapping[str, ranges.Allowed], flag: str = "config"
) -> str:
    """Every field of `config` in the order of its file: --config.PATH=VALUE, type and range, comment; before the first
    of a block the comment of the block. source: the file whose get_config made it."""
    found = comments(source)
    order = {path: number for number, path in enumerate(found)}
    rows = sorted(leaves(config), key=lambda row: [order.get(block, len(order)) for block in _blocks(row[0])])
    lines, seen = [], set()
    for path, value in rows:
        for block in _blocks(path)[:-1]:
            if block not in seen and found.get(block):
                lines.append(f"  {flag}.{'.'.join(block)}: {found[block]}")
            seen.add(block)
        name = ".".join(path)
        kind = ", ".join(filter(None, [_type(value), str(ranges.find(allowed, name) or "")]))
        lines.append(f"  --{flag}.{name}={_text(value)}  ({kind})  {found.get(path, '')}".rstrip())
    wrap = functools.partial(textwrap.wrap, width=120, subsequent_indent=8 * " ", break_on_hyphens=False)
    return "\n".join(part for line in lines for part in wrap(line))


def _blocks(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The blocks around a field from the outermost, and the field."""
    return [path[: length + 1] for length in range(len(path))]


def leaves(config: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of every field that is no block; an empty block is a field."""
    for name, value in config.items():
        if isinstance(value, (ConfigDict, dict)) and len(value):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def check(config: Mapping[str, Any], allowed: Mapping[str, ranges.Allowed], flag: str = "config") -> None:
    """Raises ValueError, which names the field as --FLAG.FIELD sets it, for a value out of its range."""
    for path, value in leaves(config):
        field = ".".join(path)
        known = ranges.find(allowed, field)
        if known is not None and not known.holds(value):
            verb = "choose" if isinstance(known, ranges.OneOf) else "must be"
            raise ValueError(f"{flag}.{field}={value!r}: {verb} {known}")


def comments(source: str | Path) -> Comments:
    """The comments that get_config of the file `source` has beside what it assigns, in its order: the first of each
    field, "" where there is none.

    Read without running anything: assignments to attributes of a config, dicts given to ConfigDict, and the functions
    of the same file or of another config module that make a block or take one.
    """
    return _Source(Path(source)).of_function("get_config")


class _Source:
    """A config's file: its functions, and its comments by line."""

    def __init__(self, path: Path):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, str(path))
        self._functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self._imported = {
            name.asname or name.name: (node.module, name.name)
            for node in tree.body if isinstance(node, ast.ImportFrom) and node.module for name in node.names
        }
        self._beside, self._alone = _comment_lines(text)

    def of_function(self, name: str, taken: tuple[str, ...] | None = None) -> Comments:
        """Comments by path in the block that function `name` returns, or, if `taken`, in the one that it is given."""
        function = self._functions.get(name)
        if function is None:
            module, there = self._imported.get(name, ("", ""))
            if not module.startswith("configs"):
                return {}
            return _Source(Path(importlib.util.find_spec(module).origin)).of_function(there, taken)
        roots: dict[str, tuple[str, ...]] = {}
        if taken is not None and function.args.args:
            roots[function.args.args[0].arg] = taken
        found: Comments = {}
        for statement in _statements(function.body):
            self._read(statement, roots, found)
        return found

    def _read(self, statement: ast.stmt, roots: dict[str, tuple[str, ...]], found: Comments) -> None:
        if isinstance(statement, ast.Return) and statement.value is not None:
            _add(found, self._inside(statement.value, ()))
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            if isinstance(call.func, ast.Name) and call.args and (path := _path(call.args[0], roots)) is not None:
                _add(found, self.of_function(call.func.id, path))
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                for node in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(node, ast.Name) and isinstance(statement.value, ast.Call):
                        roots[node.id] = ()
                        _add(found, self._inside(statement.value, ()))
                    elif path := _path(node, roots):
                        self._note(found, path, node.lineno, statement.end_lineno)
                        _add(found, self._inside(statement.value, path))

    def _inside(self, value: ast.expr, path: tuple[str, ...]) -> Comments:
        """Comments within what is assigned to `path`: a dict, ConfigDict(...), or a call of a config's function."""
        found: Comments = {}
        if isinstance(value, ast.Dict):
            for key, item in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant):
                    block = isinstance(item, (ast.Dict, ast.Call))
                    self._note(found, (*path, str(key.value)), key.lineno, key.lineno if block else item.end_lineno)
                    _add(found, self._inside(item, (*path, str(key.value))))
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            if value.func.id in ("ConfigDict", "dict"):
                for argument in value.args:
                    _add(found, self._inside(argument, path))
            else:
                inner = self.of_function(value.func.id)
                _add(found, {(*path, *below): comment for below, comment in inner.items()})
        return found

    def _note(self, found: Comments, path: tuple[str, ...], first: int, last: int) -> None:
        """The comment behind what stands in these lines, or else in the lines above them."""
        comment = self._beside.get(last) or self._beside.get(first) or self._above(first)
        _add(found, {path: comment})

    def _above(self, line: int) -> str:
        first = line
        while first - 1 in self._alone:
            first -= 1
        return " ".join(self._alone[number] for number in range(first, line))


def _comment_lines(text: str) -> tuple[dict[int, str], dict[int, str]]:
    """Comments by line: behind code, and alone in their line."""
    beside, alone = {}, {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            kind = alone if not token.line[: token.start[1]].strip() else beside
            kind[token.start[0]] = token.string.lstrip("# ")
    return beside, alone


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Simple statements in order, those under `if` too."""
    for statement in body:
        if isinstance(statement, (ast.If, ast.For, ast.With)):
            yield from _statements([*statement.body, *getattr(statement, "orelse", [])])
        else:
            yield statement


def _path(node: ast.expr, roots: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Path of config.a.b under the config that `roots` knows by its name; None for anything else."""
    if isinstance(node, ast.Name):
        return roots.get(node.id)
    if isinstance(node, ast.Attribute):
        before = _path(node.value, roots)
        return None if before is None else (*before, node.attr)
    return None


def _add(found: Comments, more: Comments) -> None:
    for path, comment in more.items():
        found[path] = found.get(path) or comment


def _type(value: Any) -> str:
    return "block" if isinstance(value, (ConfigDict, dict)) else type(value).__name__


def _text(value: Any) -> str:
    """A value as it may be typed; tuples need quotes."""
    if isinstance(value, tuple):
        return f'"{value!r}"'
    return str(value) if not isinstance(value, (ConfigDict, dict)) else "{}"


__all__ = ["check", "comments", "leaves", "listing"]
