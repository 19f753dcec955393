"""Table and page of engines that do not match one another."""

from __future__ import annotations

from training.evaluation.page import page
from training.evaluation.results import EngineResult, Evaluation, HeadResult
from training.evaluation.table import table
from training.metrics.measure import Details, Figures


def _engine(name: str, figures: Figures) -> EngineResult:
    head = HeadResult("mask_ids", ("a", "b"), 0.25, figures, {"town": figures}, Details({"a": figures}))
    return EngineResult(name, {}, {"road": head})


def test_a_head_that_is_judged_by_other_figures_in_another_engine() -> None:
    one, other = {"miou": 0.5, "iou": 0.25, "pictures": 3}, {"iou": 0.75, "pictures": 3}
    data = {"path": "p", "layout": "l", "split": "val", "pictures": 3}
    found = Evaluation(data, {}, (_engine("one", one), _engine("other", other)))
    assert [line.split()[-2:] for line in table(found).splitlines() if "group town" in line] == [["0.500", "–"]]
    assert "miou: one 0.500 · other –" in page(found)
