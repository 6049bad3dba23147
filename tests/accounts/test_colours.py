"""A brand's accent stays readable whatever colour the brand chose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.colours import DARK_GROUNDS, LIGHT_GROUNDS, READABLE, accent, contrast, text_on

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_the_wcag_ratio(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@pytest.mark.parametrize("colour", ["blue", "#fff", "#12345g", "1f5fd0", "#1f5fd0;}", ""])
def test_what_is_no_colour_is_refused(colour: str) -> None:
    with pytest.raises(ValueError, match="not a colour"):
        accent(colour)


@given(COLOURS)
def test_every_accent_is_readable_in_both_themes(colour: str) -> None:
    found = accent(colour)
    assert all(contrast(found.light.text, ground) >= READABLE for ground in LIGHT_GROUNDS)
    assert all(contrast(found.dark.text, ground) >= READABLE for ground in DARK_GROUNDS)
    for shades in (found.light, found.dark):
        assert contrast(shades.fill, shades.on_fill) >= READABLE


@given(COLOURS)
def test_some_ink_is_read_on_every_ground(colour: str) -> None:
    assert contrast(colour, text_on(colour)) >= READABLE


def test_a_readable_colour_is_left_as_it_is() -> None:
    assert accent("#1f5fd0").light.text == "#1f5fd0"
    assert accent("#1f5fd0").light.fill == "#1f5fd0"


def test_a_bright_colour_stays_itself_as_a_ground() -> None:
    assert accent("#f28c28").light.fill == "#f28c28"
    assert accent("#f28c28").light.text != "#f28c28"


def test_a_colour_that_would_sink_into_the_page_is_not_a_ground() -> None:
    assert accent("#ffffff").light.fill != "#ffffff"
    assert accent("#000000").dark.fill != "#000000"
