"""Each exact rewrite against what it replaces: random weights, sizes, borders."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from training.networks.rewrites import ArgmaxOfTwo, HalfSizeMask, SummedPointwise, composed

SIZES = st.integers(1, 9)


def drawn(network: nn.Module, seed: int, scale: float = 1.0) -> nn.Module:
    """All weights from a normal distribution: biases too, which fresh networks have near zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * scale)
    return network.eval()


def features(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 2**31), st.tuples(SIZES, SIZES, SIZES), st.tuples(st.booleans(), st.booleans()))
@settings(deadline=None, max_examples=40)
def test_two_pointwise_convolutions_are_one(seed: int, channels: tuple[int, int, int], bias: tuple[bool, bool]) -> None:
    first, middle, last = channels
    chain = nn.Sequential(nn.Conv2d(first, middle, 1, bias=bias[0]), nn.Conv2d(middle, last, 1, bias=bias[1]))
    drawn(chain, seed)
    inner, outer = chain
    assert isinstance(inner, nn.Conv2d)
    assert isinstance(outer, nn.Conv2d)
    picture = features(seed + 1, 2, first, 3, 4)
    with torch.inference_mode():
        torch.testing.assert_close(composed(inner, outer)(picture), chain(picture), rtol=1e-5, atol=1e-5)


@given(
    seed=st.integers(0, 2**31),
    channels=st.lists(SIZES, min_size=1, max_size=4),
    data=st.data(),
    size=st.tuples(SIZES, SIZES),
    mode=st.sampled_from(["nearest", "bilinear"]),
)
@settings(deadline=None, max_examples=60)
def test_a_pointwise_convolution_over_a_concatenation_is_a_sum(
    seed: int, channels: list[int], data: st.DataObject, size: tuple[int, int], mode: str
) -> None:
    factors = [data.draw(st.sampled_from([1, 2, 4])) for _ in channels]
    convolution = nn.Conv2d(sum(channels), 5, 1, bias=data.draw(st.booleans()))
    drawn(convolution, seed)
    maps = [
        features(seed + index, 2, wide, *(side * 4 // factor for side in size))
        for index, (wide, factor) in enumerate(zip(channels, factors, strict=True))
    ]
    same_size = [functional.interpolate(one, scale_factor=by, mode=mode) for one, by in zip(maps, factors, strict=True)]
    with torch.inference_mode():
        expected = convolution(torch.cat(same_size, dim=1))
        found = SummedPointwise(convolution, channels, factors, mode)(*maps)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("background", "foreground", "expected"),
    [
        (0.0, 1.0, 1),
        (1.0, 0.0, 0),
        (0.5, 0.5, 0),
        (-0.0, 0.0, 0),
        (-0.27, -0.26, 1),
        (float("nan"), 1.0, 0),
        (float("-inf"), float("inf"), 1),
    ],
)
def test_argmax_of_two(background: float, foreground: float, expected: int) -> None:
    scores = torch.tensor([background, foreground]).reshape(1, 2, 1, 1)
    ids = ArgmaxOfTwo()(scores)
    assert ids.dtype == torch.uint8
    assert ids.tolist() == [[[expected]]]


class _MaskHead(nn.Module):
    """What HalfSizeMask stands for, written down one layer after the other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, 32, 3, padding=1)
        self.upsample = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.refine = nn.Conv2d(16, 8, 3, padding=1)
        self.scores = nn.Conv2d(8, 2, 1)

    def forward(self, features: Tensor) -> Tensor:
        refined = functional.silu(self.refine(self.upsample(functional.silu(self.enter(features)))))
        result: Tensor = functional.silu(self.scores(refined))
        return result

    def rewritten(self) -> HalfSizeMask:
        return HalfSizeMask(self.enter, self.upsample, self.refine, self.scores)


def _flips_that_count(head: _MaskHead, picture: Tensor) -> tuple[int, int]:
    """Mask pixels that the rewrite changes although the two scores are not within rounding of each other; all."""
    with torch.inference_mode():
        scores = head(picture)
        found = head.rewritten()(picture)
    assert found.dtype == torch.uint8
    assert found.shape == scores[:, 0].shape
    flipped = found != (scores[:, 1] > scores[:, 0])
    apart = (scores[:, 1] - scores[:, 0]).abs() > 1e-5 * scores.abs().max()
    return int((flipped & apart).sum()), int(flipped.sum())


@given(st.integers(0, 2**31), st.integers(1, 20), SIZES, SIZES, st.integers(1, 2))
@settings(deadline=None, max_examples=60)
def test_a_mask_at_half_size_is_the_same_down_to_the_border(
    seed: int, channels: int, height: int, width: int, batch: int
) -> None:
    head = _MaskHead(channels)
    drawn(head, seed, scale=0.3)
    assert _flips_that_count(head, features(seed + 1, batch, channels, height, width))[0] == 0


def test_a_large_mask_at_half_size_flips_at_most_one_pixel_in_ten_thousand() -> None:
    head = _MaskHead(16)
    drawn(head, 5, scale=0.1)
    nn.init.zeros_(head.scores.bias)  # type: ignore[arg-type]
    picture = features(6, 1, 16, 96, 168)
    counting, all_flips = _flips_that_count(head, picture)
    assert counting == 0
    assert all_flips <= 1e-4 * 192 * 336
    share = head.rewritten()(picture).float().mean()
    assert 0.05 < share < 0.95, "a mask with both classes, or nothing was tested"


def test_the_bias_of_the_upsampling_matters_at_the_border_only() -> None:
    """The test above would see a rewrite that lets the bias reach into the padding."""
    head = _MaskHead(4)
    drawn(head, 3, scale=0.3)
    picture = features(4, 1, 4, 12, 12)
    wrong = head.rewritten()
    with torch.no_grad():
        head.upsample.bias.mul_(5)  # type: ignore[union-attr]
        wrong.load_state_dict(head.rewritten().state_dict())
        wrong.nodes.bias.add_(wrong.nodes.weight[:, -1].sum(dim=(1, 2)))  # type: ignore[union-attr]
        wrong.nodes.weight[:, -1] = 0
        difference = wrong(picture) != head.rewritten()(picture)
    assert difference.any()
    assert not difference[:, 1:-1, 1:-1].any()


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda: composed(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 1)),
        lambda: composed(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1, groups=2)),
        lambda: composed(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1, stride=2)),
        lambda: SummedPointwise(nn.Conv2d(4, 2, 1, padding=1), (2, 2), (1, 1)),
        lambda: _head_with("enter", nn.Conv2d(4, 32, 3, padding=1, stride=2)),
        lambda: _head_with("upsample", nn.ConvTranspose2d(32, 16, 3, stride=2)),
        lambda: _head_with("refine", nn.Conv2d(16, 8, 5, padding=2)),
        lambda: _head_with("scores", nn.Conv2d(8, 2, 3)),
    ],
)
def test_what_a_rewrite_does_not_stand_for_is_refused(rewrite: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="not a plain"):
        rewrite()


def _head_with(name: str, layer: nn.Module) -> HalfSizeMask:
    head = _MaskHead(4)
    setattr(head, name, layer)
    return head.rewritten()
