"""Grid: where cells lie, what is in them, and what shows that a cell is not now."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.fit import Window
from contracts.picture import ColourMatrix, Picture, Pixels
from outputs.draw.grid import GridCell, GridLayout, GridPainter
from outputs.draw.scaling import place_in

GROUND = 24


def plain(bgr: tuple[int, int, int], width: int, height: int, matrix: ColourMatrix = "bt709") -> Picture:
    """One colour, as an annotated picture has it: limited yuv420p."""
    import av

    frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), bgr, np.uint8), "bgr24")
    space = {"bt601": 5, "bt709": 1, "bt2020": 9}[matrix]
    found = Picture.from_av(frame.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=1))
    return Picture("yuv420p", found.planes, matrix, tagged=True)


@pytest.mark.parametrize(
    ("count", "picture", "size", "whole", "columns"),
    [
        (1, (1280, 720), None, (1280, 720), 1),
        (2, (1280, 720), None, (1920, 540), 2),
        (2, (720, 1280), None, (1212, 1080), 2),
        (2, (1920, 540), None, (1920, 1080), 1),
        (2, (1280, 720), (720, 1280), (720, 1280), 1),
        (3, (1280, 720), None, (1920, 1080), 2),
        (4, (1280, 720), None, (1920, 1080), 2),
        (3, (320, 180), None, (640, 360), 2),
        (4, (320, 240), None, (640, 480), 2),
        (5, (320, 180), None, (960, 360), 3),
        (4, (1280, 720), (1280, 720), (1280, 720), 2),
        (5, (1280, 720), None, (1920, 720), 3),
        (6, (1280, 720), None, (1920, 720), 3),
        (7, (1280, 720), None, (1920, 1080), 3),
        (9, (1280, 720), None, (1920, 1080), 3),
        (16, (1280, 720), None, (1920, 1080), 4),
        (6, (1280, 720), (1000, 562), (1000, 562), 3),
    ],
)
def test_cells_show_their_pictures_as_large_as_can_be(
    count: int, picture: tuple[int, int], size: tuple[int, int] | None, whole: tuple[int, int], columns: int
) -> None:
    layout = GridLayout.of(count, picture, size)
    assert (layout.width, layout.height) == whole
    assert len(layout.cells) == count
    assert len({cell.left for cell in layout.cells}) == columns
    covered = np.zeros((layout.height, layout.width), np.uint8)
    for cell in layout.cells:
        assert all(side % 2 == 0 for side in (cell.left, cell.top, cell.width, cell.height))
        covered[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width] += 1
    assert covered.max() == 1
    if count % columns == 0:
        assert covered.min() == 1


def at(grid: Picture, cell: Window, place: Window) -> Pixels:
    """Luma of a place in a cell."""
    top, left = cell.top + place.top, cell.left + place.left
    return grid.planes[0][top : top + place.height, left : left + place.width]


def test_pictures_lie_whole_in_their_cells_on_dark_ground() -> None:
    layout = GridLayout.of(4, (320, 180))
    wide, tall = plain((40, 180, 90), 320, 180), plain((200, 60, 60), 180, 320)
    cells = [GridCell("wide", wide), GridCell("tall", tall), GridCell("gone", state="connecting")]
    grid = GridPainter(layout).paint([*cells, GridCell("large", plain((0, 0, 255), 640, 360))])
    assert (grid.format, grid.width, grid.height, grid.matrix) == ("yuv420p", 640, 360, "bt709")
    quarter = Window(0, 0, 160, 90)
    assert np.array_equal(at(grid, layout.cells[0], quarter), wide.planes[0][:90, :160])
    inside = place_in((180, 320), (320, 180))
    upper = Window(inside.left, inside.top, inside.width, 60)
    assert set(np.unique(at(grid, layout.cells[1], upper))) == {int(tall.planes[0][0, 0])}
    assert set(np.unique(at(grid, layout.cells[1], Window(0, 0, inside.left, 180)))) == {GROUND}
    assert set(np.unique(at(grid, layout.cells[2], Window(0, 0, 320, 50)))) == {GROUND}
    blue, green, red = grid.bgr()[layout.cells[3].top + 20, layout.cells[3].left + 20].tolist()
    assert red > 240
    assert blue < 15
    assert green < 15


def test_a_cell_has_its_name_in_the_free_corner_and_its_state_in_the_middle() -> None:
    layout = GridLayout.of(2, (320, 180))
    sunny = plain((255, 255, 255), 320, 180)
    painter = GridPainter(layout)
    live, lost = painter.paint([GridCell("front", sunny), GridCell("rear", sunny, "lost, 12 s old")]), layout.cells[1]
    white = int(sunny.planes[0][0, 0])
    front = at(live, layout.cells[0], Window(0, 0, 320, 180))
    rows, columns = np.nonzero(front < white - 60)
    assert rows.min() > 140
    assert columns.min() > 240  # a dark plate, in the lower right corner only
    rear = at(live, lost, Window(0, 0, 320, 180))
    corner = rear[:40, :80]
    assert corner.max() < 110  # what it saw last is dark …
    rows, columns = np.nonzero(rear > 200)
    assert 60 < rows.min() < rows.max() < 120  # … and the words on it are bright
    assert 80 < columns.min() < columns.max() < 240
    chroma = live.planes[1][:, lost.left // 2 :]
    assert set(np.unique(chroma)) == {128}


def test_old_pictures_are_grey() -> None:
    layout = GridLayout.of(2, (320, 180))
    painted = GridPainter(layout).paint(
        [GridCell("a", plain((0, 0, 255), 320, 180)), GridCell("b", plain((0, 0, 255), 320, 180), "ended")]
    )
    pixels = painted.bgr()
    assert pixels[10, 10, 2] > 240
    assert np.ptp(pixels[10, 330]) <= 2


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
def test_colours_of_another_matrix_stay_what_they_are(matrix: ColourMatrix) -> None:
    layout, colour = GridLayout.of(2, (320, 180)), (60, 160, 220)
    grid = GridPainter(layout).paint(
        [GridCell("a", plain(colour, 320, 180, "bt709")), GridCell("b", plain(colour, 320, 180, matrix))]
    )
    pixels = grid.bgr()
    assert np.abs(pixels[10, 10].astype(int) - colour).max() <= 4
    assert np.abs(pixels[10, 330].astype(int) - colour).max() <= 10


def test_cells_too_small_for_words_go_without() -> None:
    layout = GridLayout.of(4, (32, 18))
    grid = GridPainter(layout).paint([GridCell("a very long name of a source", None, "connecting")] * 4)
    assert set(np.unique(grid.planes[0])) == {GROUND}
