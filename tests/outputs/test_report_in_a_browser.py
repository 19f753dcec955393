"""The report as people open it: at the width of a desk and of a phone nothing sticks out and no words meet."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from contracts.protocols import Ending
from tests.browser import document_of
from tests.outputs.test_report_page import everything, report, statistics

_LOOK = """
<script>
document.getElementById("page").onload = event => {
  const page = event.target.contentDocument, width = event.target.clientWidth;
  const scrolls = each => each.closest(".wide");
  const sticks = each => !scrolls(each) && each.getBoundingClientRect().right > width + 1;
  const out = [...page.body.querySelectorAll("*")].filter(sticks).map(each => each.textContent.slice(0, 40));
  const meet = [];
  for (const axis of page.querySelectorAll(".x, .y")) {
    const places = [...axis.querySelectorAll("span")].map(each => each.getBoundingClientRect());
    places.forEach((one, i) => places.slice(i + 1).forEach(other => {
      if (one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom)
        meet.push(axis.textContent);
    }));
  }
  const drawn = [...page.querySelectorAll("svg")].every(each => each.getBoundingClientRect().height > 20);
  const shown = [...page.querySelectorAll("img")].every(each => each.complete && each.naturalWidth > 0);
  document.body.textContent = "FOUND" + JSON.stringify({out, meet, drawn, shown}) + "END";
};
</script>
"""


def looked_at(page: Path, width: int) -> Any:
    """What a script finds on the page, in a frame as wide as the screen would be."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    frame = f'<iframe id="page" style="border:0;width:{width}px;height:2000px" srcdoc="{html.escape(text)}"></iframe>'
    around = page.with_name("around.html")
    around.write_text(f"<!doctype html><meta charset=utf-8><body>{frame}{_LOOK}", encoding="utf-8")
    found = re.search(r"FOUND(.*)END", document_of(around))
    assert found is not None
    return json.loads(html.unescape(found[1]))


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["car", "a class whose name goes on and on, and_has_parts_that_cannot_be_broken" * 2])
def test_nothing_sticks_out_and_no_words_meet(tmp_path: Path, width: int, name: str) -> None:
    data = statistics(2400, age_ms={"p50": 1234.5, "p95": 9000.0, "p99": 12_345.6})
    data["engines"][0] |= {"file": "/a/very/long/way/to/the/network/" * 6 + "net.onnx", "name": name}
    ending = Ending(data, (f"warned of {name}",), SourceError(f"{name} went away", "look for it"))
    page = tmp_path / "run.html"
    report(page, everything(name, 2400), ending, name=name, uri=f"/videos/{name}.mp4", age_ns=3_000_000_000)
    assert looked_at(page, width) == {"out": [], "meet": [], "drawn": True, "shown": True}
