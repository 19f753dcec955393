"""Pictures and pools: converted once, never overwritten under somebody's eyes."""

from __future__ import annotations

import gc
import threading
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.picture import Picture
from contracts.pool import Pool


def test_a_pool_gives_memory_again_only_when_nobody_looks_at_it() -> None:
    pool = Pool((4, 4))
    first = pool.take()
    first[:] = 1
    address, corner = first.ctypes.data, first[1:, 1:]
    del first
    second = pool.take()
    second[:] = 2
    assert (corner == 1).all()
    del corner
    gc.collect()
    third = pool.take()
    assert third.ctypes.data == address
    assert (second == 2).all()


def test_a_pool_keeps_no_more_idle_memory_than_asked() -> None:
    pool = Pool((8,), keep=2)
    taken = [pool.take() for _ in range(5)]
    addresses = {array.ctypes.data for array in taken}
    taken.clear()
    again = {pool.take().ctypes.data for _ in range(1)}
    assert again <= addresses
    assert len(pool._idle) == 2


def test_a_pool_bears_many_threads() -> None:
    pool = Pool((64,), np.int64, keep=4)
    wrong: list[int] = []

    def use(number: int) -> None:
        for _ in range(2000):
            array = pool.take()
            array[:] = number
            if (array != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


@pytest.mark.parametrize("form", ["yuv420p", "nv12", "bgr24", "yuv444p", "gray", "rgb24", "yuv420p10le"])
def test_any_decoded_form_becomes_the_same_bgr(form: str) -> None:
    rows, columns = np.mgrid[0:48, 0:64]
    grey = np.repeat((rows * 2 + columns)[..., None].astype(np.uint8), 3, axis=2)
    frame = av.VideoFrame.from_ndarray(grey, "bgr24").reformat(format=form)
    picture = Picture.from_av(frame)
    assert (picture.width, picture.height) == (64, 48)
    assert np.abs(picture.bgr().astype(int) - grey).max() <= 6  # swscale rounds twice
    assert picture.bgr() is picture.bgr()
    assert not picture.bgr().flags.writeable


def test_planes_without_a_frame_behind_them_convert_by_their_matrix_and_range() -> None:
    """BT.709-coded pure red, limited range: read as 709 it is red again, read as 601 it is not."""
    planes = (np.full((16, 16), 63, np.uint8), np.full((8, 8), 102, np.uint8), np.full((8, 8), 240, np.uint8))
    right = Picture("yuv420p", planes, matrix="bt709").bgr()[4, 4]
    wrong = Picture("yuv420p", planes, matrix="bt601").bgr()[4, 4]
    assert np.abs(right.astype(int) - (0, 0, 255)).max() <= 3
    assert np.abs(wrong.astype(int) - (0, 0, 255)).max() > 8


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_bgr_picture_is_refused(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        Picture.from_bgr(array)
