"""Golden outputs of the original programs: weights and pictures drawn by their rule, outputs to compare with."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))


@dataclass(frozen=True)
class Case:
    """One input of a golden. name: "96x160b1s0". pixels: uint8 (B, H, W, 3) RGB; images: float32 (B, 3, H, W)."""

    name: str
    pixels: NDArray[np.uint8]
    images: Tensor


class Golden:
    """One golden of ``shared/goldens``: ``NAME.json.gz`` and ``NAME.npz``."""

    def __init__(self, shared: Path, name: str) -> None:
        folder = shared / "goldens"
        self.name = name
        self.facts: dict[str, Any] = json.loads(gzip.decompress((folder / f"{name}.json.gz").read_bytes()))
        self._arrays = np.load(folder / f"{name}.npz")
        self._rule = drawing_rule(shared)

    def state(self) -> dict[str, Tensor]:
        """The original program's state dict (its own keys, in its order), filled by the rule."""
        return {key: self._value(key, tuple(shape)) for key, shape, _ in self.facts["keys"]}

    def _value(self, key: str, shape: tuple[int, ...]) -> Tensor:
        given = self.facts["by_value"]
        if key in given:
            return torch.tensor(given[key]).reshape(shape)
        prefixes = [prefix for prefix in self.facts["gains_by_prefix"] if key.startswith(prefix)]
        gain = self.facts["gains_by_prefix"][prefixes[0]] if prefixes else self.facts["gain"]
        return torch.from_numpy(self._rule.weight(key, shape, gain))

    def cases(self) -> list[Case]:
        """Every input there are outputs for."""
        return [self._case(facts) for facts in self.facts["cases"]]

    def _case(self, facts: dict[str, Any]) -> Case:
        pixels = self._rule.image(facts["height"], facts["width"], facts["seed"], facts["batch"])
        scaled = pixels / 255.0
        if self.facts["preprocess"] == "imagenet":
            scaled = (scaled - _IMAGENET[0]) / _IMAGENET[1]
        images = torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32))
        return Case(facts["case"], pixels, images)

    def outputs(self, case: Case) -> set[str]:
        """The names of the outputs stored for a case."""
        return {output["name"] for output in self._outputs(case)}

    def difference(self, case: Case, output: str, found: Tensor | NDArray[Any]) -> float:
        """The largest |found − golden| over the values stored, relative to the golden's largest value.

        Fails where the shape is another one.
        """
        facts = self._facts(case, output)
        largest = max(abs(facts["min"]), abs(facts["max"]))
        away = self.differences(case, output, found)
        return float(away[~self._left_out(facts)].max() / largest)

    def differences(self, case: Case, output: str, found: Tensor | NDArray[Any]) -> NDArray[np.float64]:
        """|found − golden|, in the shape of the output; NaN where the golden's value is not stored.

        Fails where the shape is another one.
        """
        facts = self._facts(case, output)
        array = np.asarray(found.detach() if isinstance(found, Tensor) else found, np.float64)
        assert list(array.shape) == facts["shape"], f"{self.name} {case.name} {output}: {array.shape}"
        golden = np.full(array.shape, np.nan)
        golden[~self._left_out(facts)] = self._arrays[f"{case.name}/{output}"].reshape(-1)
        away: NDArray[np.float64] = np.abs(array - golden)
        return away

    def _left_out(self, facts: dict[str, Any]) -> NDArray[np.bool_]:
        """Where an output's values are not stored."""
        left_out = np.ones(facts["shape"], np.bool_)
        left_out.reshape(-1)[:: facts["k"] if facts["mode"] == "every" else 1] = False
        return left_out

    def stores(self, case: Case, output: str) -> bool:
        """Whether there is an array of this name (``da.argmax_packed``)."""
        return f"{case.name}/{output}" in self._arrays

    def foreground(self, case: Case, output: str) -> NDArray[np.uint8]:
        """The golden's arg-max of a two-channel output: uint8 (B, H, W)."""
        shape = next(facts["shape"] for facts in self._outputs(case) if facts["name"] == output)
        batch, _, height, width = shape
        bits = np.unpackbits(self._arrays[f"{case.name}/{output}.argmax_packed"], count=batch * height * width)
        return bits.reshape(batch, height, width)

    def array(self, case: Case, output: str) -> NDArray[Any]:
        """A stored array as it lies in the file (a full output, or suppressed boxes)."""
        return np.asarray(self._arrays[f"{case.name}/{output}"])

    def _facts(self, case: Case, output: str) -> dict[str, Any]:
        return next(facts for facts in self._outputs(case) if facts["name"] == output)

    def _outputs(self, case: Case) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = next(
            facts["outputs"] for facts in self.facts["cases"] if facts["case"] == case.name
        )
        return found


def parameters(state: dict[str, Tensor]) -> int:
    """How many values a state dict holds that are not counters or statistics of batch norms."""
    skipped = ("running_mean", "running_var", "num_batches_tracked")
    return sum(math.prod(value.shape) for key, value in state.items() if not key.endswith(skipped))


def drawing_rule(shared: Path) -> ModuleType:
    """The program by which weights, pictures and labels of the goldens are drawn."""
    spec = importlib.util.spec_from_file_location("golden_rule", shared / "goldens/rule.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
