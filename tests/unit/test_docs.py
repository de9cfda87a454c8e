"""README and docs: short where they must be, and every link leads somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def links(page):
    """(path, anchor) of a page's relative links and pictures, but for those in code."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            name, _, anchor = unquote(link).partition("#")
            yield (page.parent / name).resolve() if name else page, anchor


def anchors(page):
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    lost = []
    for target, anchor in links(page):
        if not (target.is_relative_to(ROOT) and target.exists()) or (anchor and anchor not in anchors(target)):
            lost.append(f"{target}#{anchor}")
    assert lost == []


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    for command in ("make demo", "make test", "launch.train", "launch.generate", "launch.evaluate", "launch.report"):
        assert command in text


def test_every_page_is_found_from_the_readme():
    found, new = set(), {ROOT / "README.md"}
    while new:
        found |= new
        new = {target for page in new for target, _ in links(page) if target in PAGES} - found
    assert [page.name for page in PAGES if page not in found] == []


def test_the_readmes_picture_is_small():
    picture = ROOT / "docs" / "dance.webp"
    assert f"](docs/{picture.name})" in (ROOT / "README.md").read_text() and picture.stat().st_size < 1e6


@pytest.mark.parametrize("name", ["train.md", "generate.md", "evaluate.md"])
def test_commands_of_the_pages_are_there(name):
    text = (ROOT / "docs" / name).read_text()
    commands = set(re.findall(r"python -m (launch\.\w+)", text))
    assert commands and all((ROOT / f"{command.replace('.', '/')}.py").exists() for command in commands)
    assert all((ROOT / config).exists() for config in re.findall(r"--config (configs/\w+\.py):", text))
