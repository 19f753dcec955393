"""Network: what every family promises, so that one exporter serves them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from contracts.card import HeadCard, InputCard
from contracts.errors import UsageError
from training.blueprint import Blueprint

MOST_CLASSES = 10_000
"""Classes of one head; the largest public data sets have some thousand."""


class Deployed(nn.Module):
    """What is written to a network file: pictures in, a tuple of tensors out, one per name.

    forward: images float32 (B, 3, H, W), prepared as the card says → tuple in the order of ``names``.
    """

    names: tuple[str, ...]


class Network(nn.Module, ABC):
    """A network in the form that is trained; ``forward`` returns that family's own raw outputs.

    stride: (horizontal, vertical); the input's width and height must be multiples of it.
    heads: the heads' cards for the *deployed* form, in order: kind, classes, role, and the names of their outputs.
    """

    stride: tuple[int, int]

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.blueprint = blueprint

    def join_norms(self) -> None:
        """Batch norms take their statistics over the batches of all processes (CUDA); parameters stay the same."""
        nn.SyncBatchNorm.convert_sync_batchnorm(self)  # type: ignore[no-untyped-call]  # in place

    @property
    @abstractmethod
    def heads(self) -> tuple[HeadCard, ...]:
        """Every head this network has, as its card has it after export."""

    @abstractmethod
    def plain(self, heads: Sequence[str]) -> Deployed:
        """The network as its authors run it, in eval mode, unfolded: the reference that a deployed one is held to.

        Boxes decoded as in the deployed form; masks as float scores (B, C, H, W) at the size the deployed form has.
        Output names are those of the deployed form. ``heads``: names of the heads wanted, in the network's order.
        """

    @abstractmethod
    def deployed(self, heads: Sequence[str]) -> Deployed:
        """A copy in eval mode with the exact rewrites of ``docs/architecture.md``; this network stays as it is.

        Masks are uint8 (B, H, W): class ids, arg-max with ties to the lower id. Only what ``heads`` need is kept.
        """


def class_names(blueprint: Blueprint, head: str) -> tuple[str, ...]:
    """The class names of one head; raises UsageError where the blueprint has none, or more than any data set."""
    names = tuple(blueprint.classes.get(head, ()))
    if not 1 <= len(names) <= MOST_CLASSES:
        raise UsageError(
            f"a {blueprint.family} network with {len(names)} classes for {head!r} cannot be built",
            f"name 1 to {MOST_CLASSES} of them",
        )
    return names


@dataclass(frozen=True, slots=True)
class Family:
    """One family of networks. input: how its authors feed it, with the size they use.

    variants: known names; None: too many to list, ``build`` raises UsageError for a wrong one. options: the keys of
    ``Blueprint.options`` that it knows. input_of: the same as input, for one variant, where they differ.
    """

    name: str
    title: str
    paper: str
    licence: str
    variants: tuple[str, ...] | None
    input: InputCard
    build: Callable[[Blueprint], Network]
    options: tuple[str, ...] = ()
    input_of: Callable[[str], InputCard] | None = None
