"""Cards written as YAML."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.card import Card, HeadCard, InputCard
from contracts.card_text import card_text


@given(
    st.builds(
        Card,
        name=st.text(),
        licence=st.text(),
        origin=st.text(),
        figures=st.lists(st.text(), max_size=2).map(tuple),
        input=st.builds(
            InputCard,
            name=st.none() | st.text(),
            fit=st.sampled_from(["letterbox", "stretch"]),
            scale=st.floats(0.001, 1e6),
            mean=st.tuples(*[st.floats(-1e3, 1e3)] * 3),
            size=st.none() | st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
        ),
        heads=st.lists(
            st.builds(
                HeadCard,
                name=st.text(),
                kind=st.sampled_from(["yolo_boxes", "mask_ids"]),
                outputs=st.lists(st.text()).map(tuple),
                classes=st.lists(st.text(), max_size=5).map(tuple),
                score=st.none() | st.floats(0, 1),
                role=st.sampled_from(["", "lane"]),
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda head: head.name,
        ).map(tuple),
    )
)
def test_a_card_written_and_read_is_the_same_card(card: Card) -> None:
    assert Card.from_yaml(card_text(card), "test") == card


def test_the_input_is_written_in_full_and_letters_stay_readable() -> None:
    text = card_text(Card(name="Straße", heads=(HeadCard(name="lane", kind="mask_ids"),)))
    assert "name: Straße" in text
    assert all(f"  {key}:" in text for key in ("fit", "pad", "colour", "scale", "mean", "std"))
