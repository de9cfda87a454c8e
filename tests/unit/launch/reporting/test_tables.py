import csv
import io
import json

from launch.reporting import tables
from launch.reporting.tables import Cell, Head, Table

TABLE = Table(
    "t", "A <table>", (Head("FVD_x", "published, other data", False), Head("FVD", "p", False, '{"k": 1}')), (
        ("X & <b>", (Cell(0.5, published=True), Cell(1.25, 1.0, 1.5, 3))),
        ("none", (Cell(published=True), Cell(needs="50% of a file"))),
    ), ("a note",),
)  # fmt: skip


def test_csv_has_a_line_a_cell():
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(TABLE))))
    assert [row["source"] for row in rows] == ["published", "ours", "published", "not measured"]
    assert (rows[1]["value"], rows[1]["low"], rows[1]["high"], rows[1]["runs"]) == ("1.25", "1.0", "1.5", "3")
    assert rows[1]["constants"] == '{"k": 1}' and rows[3]["needs"] == "50% of a file" and rows[2]["value"] == ""


def test_latex_is_escaped_and_tells_what_is_missing():
    lines = tables.as_latex(TABLE).splitlines()
    assert r"X \& <b> & 0.5 & 1.25 (1 to 1.5) \\" in lines
    assert r"none & -- & -- \\" in lines
    assert r" & FVD\_x $\downarrow$ & FVD $\downarrow$ \\" in lines
    assert "% none, FVD, not measured: 50% of a file" in lines


def test_json_is_strict():
    content = json.loads(tables.as_json(TABLE), parse_constant=lambda name: 1 / 0)
    assert content["rows"][0]["cells"][1]["constants"] == {"k": 1}
    assert content["rows"][1]["cells"][1] | {"value": None, "needs": "50% of a file"} == content["rows"][1]["cells"][1]


def test_html_is_safe_and_numbers_what_is_missing():
    html = tables.as_html(TABLE)
    assert "X &amp; &lt;b&gt;" in html and "<b>" not in html
    assert 'class="missing">not measured <sup>1</sup>' in html and "<li>50% of a file</li>" in html
    assert "1 to 1.5" in html and "3 runs" in html and 'aria-label="smaller is better"' in html


def test_published_figures_are_not_rounded():
    assert Cell(534.02, published=True).shown == "534.02" and Cell(534.02).shown == "534"
