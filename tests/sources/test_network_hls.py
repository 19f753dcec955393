"""HLS from a real origin: every picture of a finite list, the live end of one that grows, and lists that go wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.errors import SourceError, UsageError
from contracts.live import HasStatus, LiveState, Patience
from contracts.protocols import Losses
from sources.live.connection import Fault
from sources.live.waiting import Waits
from sources.network.address import NetworkAddress
from sources.network.playlist import Piece, best_variant, read_media_list
from sources.network.segments import Loaded, SegmentLoader
from sources.network.web import WebClient
from sources.open import open_source
from tests.support.certificates import self_signed
from tests.support.hls_origin import finite_hls, live_hls
from tests.support.numbered_video import RATE, number_of
from tests.support.watching import QUICK, assert_whole, off, opened, watch
from tests.support.web import site

pytestmark = pytest.mark.usefixtures("no_thread_stays")

COUNT = 110
LOGIN = ("bob", "p@ss:w/rd")


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_finite_list_gives_every_picture_once_and_is_finished(kind: str, tmp_path: Path) -> None:
    with finite_hls(tmp_path, COUNT, kind=kind) as origin, opened(origin.url) as source:
        assert not source.info.live
        assert source.info.frames == COUNT
        assert source.info.rate == RATE
        assert_whole(watch(source), COUNT)
        assert isinstance(source, HasStatus)
        assert source.status.state is LiveState.ENDED


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_finite_list_goes_on_where_it_was_cut(kind: str, tmp_path: Path) -> None:
    with finite_hls(tmp_path, 250, kind=kind, segment_s=0.48) as origin, opened(origin.url) as source:

        def fail(count: int) -> None:
            if count in (30, 120):
                origin.status = 503
                threading.Timer(1, setattr, (origin, "status", None)).start()

        assert_whole(watch(source, after=fail), 250)
        assert source.losses.reconnects == 2
        assert source.losses.lost == 0


@pytest.mark.parametrize(("start", "first"), [(1, RATE), (3.3, 83)])
def test_a_finite_list_can_start_later(start: float, first: int, tmp_path: Path) -> None:
    with finite_hls(tmp_path, COUNT) as origin, opened(origin.url, start=start) as source:
        assert [each.number for each in watch(source)] == list(range(first, COUNT))


@pytest.mark.parametrize("missing", [1, 2, 6])
@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_finite_list_is_shown_up_to_a_segment_that_is_missing(kind: str, missing: int, tmp_path: Path) -> None:
    numbers: list[int | None] = []
    with finite_hls(tmp_path, 8 * RATE, kind=kind) as origin:
        origin.missing |= {f"list{missing}.{'ts' if kind == 'mpegts' else 'm4s'}"}
        words = rf"names a segment that its server has not \(number {missing}\) → look at the server"
        with opened(origin.url, replace(QUICK, reconnect=2)) as source, pytest.raises(SourceError, match=words):
            numbers.extend(number_of(frame) for frame in source.frames())
    assert numbers == list(range(missing * RATE))
    assert source.losses == Losses()


def test_a_finite_list_whose_segment_comes_after_all_goes_on_there(tmp_path: Path) -> None:
    with finite_hls(tmp_path, 8 * RATE) as origin, opened(origin.url) as source:
        origin.missing |= {"list5.ts"}
        seen = watch(source, after=lambda count: origin.missing.clear() if count == 5 * RATE else None)
    assert [each.number for each in seen] == list(range(8 * RATE))
    assert source.losses.reconnects == 1


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("list0.m4s", r"names a segment that its server has not \(number 0\) → look at the server"),
        ("init.mp4", "names a header that its server has not → look at the server"),
    ],
)
def test_a_finite_list_that_lacks_its_beginning_is_refused_at_once(missing: str, words: str, tmp_path: Path) -> None:
    with finite_hls(tmp_path, 2 * RATE, kind="fmp4") as origin:
        origin.missing |= {missing}
        with pytest.raises(SourceError, match=words):
            open_source(origin.url, patience=QUICK)
    assert sum(path.endswith("m3u8") for path in origin.asked) == 1, "one try"


def test_parts_with_clocks_of_their_own_follow_one_another(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with finite_hls(tmp_path / "one", 50), finite_hls(tmp_path / "two", 50, kind="fmp4"):
        pass
    lines = (tmp_path / "one/list.m3u8").read_text().replace("list", "one-list").splitlines()[:-1]
    second = (tmp_path / "two/list.m3u8").read_text().replace("list", "two-list").replace("init", "two-init")
    lines += ["#EXT-X-DISCONTINUITY", *second.splitlines()[5:]]
    with finite_hls(tmp_path, 25) as origin:
        for name in ("one", "two"):
            for file in (tmp_path / name).iterdir():
                file.rename(tmp_path / f"{name}-{file.name}")
        (tmp_path / "list.m3u8").write_text("\n".join(lines))
        with opened(origin.url) as source:
            seen = watch(source)
    assert [each.number for each in seen] == [*range(50), *range(50)]
    assert [each.index for each in seen] == list(range(100))
    assert [each.pts for each in seen] == [Fraction(index, RATE) for index in range(100)]


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_live_list_is_played_near_its_end_and_paced(kind: str, tmp_path: Path) -> None:
    with live_hls(tmp_path, kind=kind) as origin, opened(origin.url) as source:
        assert source.info.live
        assert source.info.rate == RATE
        seen = watch(source, 80)
        assert seen[0].number is not None
        assert seen[0].number >= RATE  # not from the beginning of the list
        assert len(off(seen)) == 1
        assert source.losses.dropped == source.losses.lost == 0
        arrivals = [each.arrival / 1e9 for each in seen]
        due = [arrivals[0] + float(each.pts - seen[0].pts) for each in seen]
        assert all(arrival > when - 0.01 for arrival, when in zip(arrivals, due, strict=True))  # never in bursts


def test_a_live_list_that_gets_its_end_mark_is_finished(tmp_path: Path) -> None:
    with live_hls(tmp_path) as origin, opened(origin.url) as source:
        seen = watch(source, after=lambda count: origin.finish() if count == 10 else None)
        assert len(off(seen)) == 1
        assert source.losses.reconnects == 0
        assert isinstance(source, HasStatus)
        assert source.status.state is LiveState.ENDED


def test_a_live_list_that_freezes_is_lost_and_not_finished(tmp_path: Path) -> None:
    patience = Patience(open_s=10, read_s=1.5, reconnect=0)
    with live_hls(tmp_path, segment_s=0.48) as origin, opened(origin.url, patience) as source:
        begun = time.monotonic()

        def freeze(count: int) -> None:
            origin.frozen = True

        with pytest.raises(SourceError, match=r"has sent no more pictures for 1\.5 s"):
            watch(source, after=freeze)
        assert time.monotonic() - begun < 30


def test_a_live_list_that_thaws_is_played_again(tmp_path: Path) -> None:
    patience = Patience(open_s=10, read_s=1, reconnect=8)
    with live_hls(tmp_path, segment_s=0.48) as origin, opened(origin.url, patience) as source:

        def freeze(count: int) -> None:
            if count == 10:
                origin.frozen = True
                threading.Timer(2.5, setattr, (origin, "frozen", False)).start()

        seen = watch(source, 60, freeze)
        assert source.losses.reconnects >= 1
        assert all(before.pts < after.pts for before, after in pairwise(seen))
        numbers = [each.number for each in seen if each.number is not None]
        assert numbers == sorted(set(numbers)), "what was shown before the freeze is not shown again as new"


def test_a_live_list_that_stays_frozen_is_given_up(tmp_path: Path) -> None:
    """Its server goes on giving the last list: its segments were played."""
    patience = Patience(open_s=2, read_s=1, reconnect=2)
    with live_hls(tmp_path, segment_s=0.48) as origin, opened(origin.url, patience) as source:

        def freeze(count: int) -> None:
            origin.frozen = True

        with pytest.raises(SourceError, match="has sent no picture for 2 s"):
            watch(source, after=freeze)
        assert source.losses.reconnects == 0


def test_a_segment_that_is_missing_leaves_a_gap(tmp_path: Path) -> None:
    with live_hls(tmp_path) as origin, opened(origin.url) as source:
        origin.missing |= {"list4.ts"}
        seen = watch(source, 90)
        assert source.losses.reconnects == 0
        assert source.losses.lost == RATE
        assert len(off(seen)) == 1
        assert set(range(4 * RATE, 5 * RATE)).isdisjoint(each.number for each in seen)


def test_a_loader_that_is_far_behind_skips_to_the_live_end(tmp_path: Path) -> None:
    with live_hls(tmp_path, segment_s=0.2) as origin:
        client = WebClient(NetworkAddress.parse(origin.url), Waits(20))
        body = client.get(origin.url)
        listed = read_media_list(body.whole(1 << 20).decode(), body.url)
        loader = SegmentLoader(client, origin.url, listed, Fraction(0))
        loader.start()
        first = loader.take(20)
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("*.ts"))) < 9 and time.monotonic() < deadline:  # its window is six
            time.sleep(0.1)
        time.sleep(2)
        taken = [loader.take(20) for _ in range(4)]
        loader.stop()
        loader.join(10)
    assert isinstance(first, Loaded)
    numbers = [each.segment.number for each in taken if isinstance(each, Loaded)]
    skipped = [each.skipped for each in taken if isinstance(each, Loaded)]
    assert len(numbers) == 4
    steps = [after - before for before, after in pairwise([first.segment.number, *numbers])]
    assert sum(step > 1 for step in steps) == 1
    assert [bool(each) for each in skipped] == [step > 1 for step in steps]


def test_a_list_behind_a_login_over_tls(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    (tmp_path / "hls").mkdir()
    with finite_hls(tmp_path / "hls", 30, tls=certificate.server_side(), login=LOGIN) as origin:
        url = origin.url.replace("//", "//bob:p%40ss%3Aw%2Frd@") + "#insecure"
        with opened(url) as source:
            assert len(watch(source)) == 30
        with pytest.raises(Fault, match="401"):
            open_source(origin.url + "#insecure", patience=QUICK)


def test_a_master_list_leads_to_its_best_stream(tmp_path: Path) -> None:
    with finite_hls(tmp_path, 30) as origin:
        (tmp_path / "master.m3u8").write_text(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100,RESOLUTION=160x120\nsmall.m3u8\n"
            '#EXT-X-STREAM-INF:BANDWIDTH=90,RESOLUTION=320x240,CODECS="avc1.4d401e"\nlist.m3u8\n'
        )
        with opened(origin.url.replace("list.m3u8", "master.m3u8")) as source:
            assert len(watch(source)) == 30
    assert not any("small" in path for path in origin.asked)


def test_a_live_list_cannot_start_later(tmp_path: Path) -> None:
    with live_hls(tmp_path) as origin, pytest.raises(UsageError, match="is live and cannot start later"):
        open_source(origin.url, patience=QUICK, start=2)


_LIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
_SEGMENT = "#EXTINF:2,\na.ts\n#EXT-X-ENDLIST"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#EXTM3U\nhello", "no HLS list that can be read: no target duration"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:soon", "no HLS list that can be read"),
        (f"{_LIST}#EXT-X-ENDLIST", "is an empty list"),
        (f'{_LIST}#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n{_SEGMENT}', "is encrypted in a way that is not read → only"),
        (f'{_LIST}#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="com.apple"\n{_SEGMENT}', "in a way that is not read"),
        (f'{_LIST}#EXT-X-KEY:METHOD=AES-128,URI="k",IV=12\n{_SEGMENT}', "'12' is no initialization vector"),
        (f'{_LIST}#EXT-X-MEDIA-SEQUENCE:-1\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n{_SEGMENT}', "no HLS list"),
        (f"{_LIST}#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST", "unknown url type: file"),
        (f"{_LIST}#EXTINF:2,\nconcat:/etc/passwd\n#EXT-X-ENDLIST", "unknown url type: concat"),
    ],
)
def test_lists_that_cannot_be_played(text: str, words: str) -> None:
    with site(text.encode()) as host, pytest.raises(SourceError, match=words):
        open_source(host.url, patience=Patience(10, 5, 0))


def test_what_a_media_list_says() -> None:
    found = read_media_list(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:17\n"
        '#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-MAP:URI="i.mp4",BYTERANGE="20@0"\n'
        "#EXTINF:3.5,a title, with a comma\n#EXT-X-BYTERANGE:100@20\nall.mp4\n"
        "#EXTINF:4,\n#EXT-X-BYTERANGE:50\nall.mp4\n#EXT-X-KEY:METHOD=NONE\n"
        "#EXT-X-DISCONTINUITY\n#EXTINF:1,\n\nhttps://other/c.ts?a=b\n",
        "http://host/live/x.m3u8?token=1",
    )
    header = Piece("http://host/live/i.mp4", 0, 20)
    assert found.target == 4
    assert not found.ended
    assert not found.protected
    assert [each.number for each in found.segments] == [17, 18, 19]
    assert [each.piece for each in found.segments] == [
        Piece("http://host/live/all.mp4", 20, 120),
        Piece("http://host/live/all.mp4", 120, 170),
        Piece("https://other/c.ts?a=b"),
    ]
    assert [each.begin for each in found.segments] == [0, Fraction("3.5"), Fraction("7.5")]
    assert [each.part for each in found.segments] == [3, 3, 4]
    assert {each.header for each in found.segments} == {header}


@pytest.mark.parametrize(
    ("variants", "best"),
    [
        ([("a", 1, "640x360"), ("b", 5, "1920x1080"), ("c", 9, "3840x2160")], "b"),
        ([("a", 3, "1280x720"), ("b", 5, "1280x720")], "b"),
        ([("c", 9, "3840x2160"), ("d", 7, "2560x1440")], "d"),
        ([("sound", 9, ""), ("b", 5, "640x360")], "b"),
        ([("a", 1, ""), ("b", 5, "")], "b"),
    ],
)
def test_which_variant_is_the_best(variants: list[tuple[str, int, str]], best: str) -> None:
    lines = ["#EXTM3U"]
    for name, bandwidth, size in variants:
        shown = f",RESOLUTION={size}" if size else ""
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}{shown}", f"{name}.m3u8"]
    found = best_variant("\n".join(lines), "https://host/master.m3u8")
    assert found is not None
    assert found.url == f"https://host/{best}.m3u8"
    assert best_variant("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts", "https://host/") is None
