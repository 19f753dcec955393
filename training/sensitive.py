"""Which layers int8 harms first: those nearest to an output, and those that add the most noise of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Observed = Mapping[str, NDArray[Any]]
"""Layer → its output for one frame, (1, channels, …)."""
Observe = Callable[[NDArray[Any]], Observed]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. weighted: a layer with weights (convolution, matrix product). producers: of its inputs."""

    weighted: bool
    producers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A network's operations by name, constants left out. outputs: output tensor → the operation that makes it."""

    nodes: Mapping[str, Node]
    outputs: Mapping[str, str]

    def weighted(self) -> tuple[str, ...]:
        """The layers with weights: those that take the time."""
        return tuple(name for name, node in self.nodes.items() if node.weighted)

    def unweighted(self) -> frozenset[str]:
        """All other operations: sums, pools, activations, products of two activations."""
        return frozenset(name for name, node in self.nodes.items() if not node.weighted)

    def near(self, output: str, depth: int) -> frozenset[str]:
        """The operations between an output and the layers at this distance, those included.

        Distance counts layers with weights, the shortest way; 0 is what lies behind the last of them.
        """
        return frozenset(name for name, distance in self._distances(output).items() if distance <= depth)

    def _distances(self, output: str) -> dict[str, int]:
        """Breadth first, where only layers with weights are a step (0-1 search)."""
        found: dict[str, int] = {}
        waiting = deque([(self.outputs[output], 0)])
        while waiting:
            name, above = waiting.popleft()
            if name not in self.nodes:
                continue
            distance = above + self.nodes[name].weighted
            if found.get(name, distance + 1) <= distance:
                continue
            found[name] = distance
            for producer in self.nodes[name].producers:
                if self._step(producer):
                    waiting.append((producer, distance))
                else:
                    waiting.appendleft((producer, distance))
        return found

    def _step(self, name: str) -> bool:
        return name in self.nodes and self.nodes[name].weighted

    def feeders(self, layer: str) -> frozenset[str]:
        """The layers with weights whose outputs reach this one without another between."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = list(self.nodes[layer].producers)
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            if self.nodes[name].weighted:
                found.add(name)
            else:
                waiting += self.nodes[name].producers
        return frozenset(found)


def by_added_noise(graph: Graph, plain: Observe, quantised: Observe, frames: Iterable[NDArray[Any]]) -> list[str]:
    """The layers with weights, the one first whose output is noisier by most than what it is fed with.

    Noise of an output: the mean over its channels of error power by signal power, each at most 1 (ruined).
    """
    sums: dict[str, float] = {}
    for tensor in frames:
        truth, seen = plain(tensor), quantised(tensor)
        for layer in truth.keys() & seen.keys():
            sums[layer] = sums.get(layer, 0.0) + _noise(truth[layer], seen[layer])

    def added(layer: str) -> float:
        return sums[layer] - max((sums.get(feeder, 0.0) for feeder in graph.feeders(layer)), default=0.0)

    return sorted(sums, key=added, reverse=True)


def _noise(truth: NDArray[Any], seen: NDArray[Any]) -> float:
    """Mean over channels (axis 1) of error power / signal power, each cut off at 1; constant channels do not count."""
    channels = truth.shape[1] if truth.ndim > 1 else 1
    clean = np.moveaxis(truth, 1, 0).reshape(channels, -1) if truth.ndim > 1 else truth.reshape(1, -1)
    error = (np.moveaxis(seen, 1, 0) if truth.ndim > 1 else seen).reshape(clean.shape) - clean
    signal = clean.var(axis=1)
    speaking = signal > 0
    if not speaking.any():
        return 0.0
    ratio = np.square(error[speaking]).mean(axis=1) / signal[speaking]
    return float(np.minimum(np.nan_to_num(ratio, nan=1.0), 1.0).mean())
