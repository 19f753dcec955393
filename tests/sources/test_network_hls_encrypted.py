"""Encrypted HLS: by FFmpeg's own encryption, and by pycryptodomex's where FFmpeg has no such lists."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import pad

from contracts.errors import SourceError
from contracts.live import Patience
from sources.live.waiting import Waits
from sources.network.address import NetworkAddress
from sources.network.playlist import Lock, Piece, read_media_list
from sources.network.segments import Loaded, SegmentLoader
from sources.network.web import WebClient
from sources.open import open_source
from tests.support.hls_origin import HlsOrigin, finite_hls, live_hls
from tests.support.watching import off, opened, watch

COUNT = 110
KEY = bytes(range(16))
ONCE = Patience(20, 20, 0)


def key_info(folder: Path, iv: str = "") -> str:
    """FFmpeg's file with the key's address, its file, and the IV."""
    (folder / "secret.key").write_bytes(KEY)
    info = folder / "info"
    info.write_text("\n".join(["secret.key", str(folder / "secret.key"), iv]))
    return str(info)


def encrypt(origin: HlsOrigin, key_of: dict[str, str], *, ivs: bool = True) -> None:
    """Encrypts every file of the list with the key of that name, by what RFC 8216 says of it."""
    lines: list[str] = []
    number, iv = 0, 0xABC
    for line in (origin.folder / "list.m3u8").read_text().splitlines():
        uri = line.partition('URI="')[2].rstrip('"') if line.startswith("#EXT-X-MAP") else line
        if uri and not uri.startswith("#"):
            key = key_of.get(uri, "secret.key")
            is_header = line.startswith("#")
            explicit = ivs or is_header
            vector = (iv if explicit else number).to_bytes(16, "big")
            cipher = AES.new((origin.folder / key).read_bytes(), AES.MODE_CBC, vector)
            file = origin.folder / uri
            file.write_bytes(cipher.encrypt(pad(file.read_bytes(), 16)))
            tag = f'#EXT-X-KEY:METHOD=AES-128,URI="{key}"' + f",IV={iv:#x}" * explicit
            lines.insert(len(lines) if is_header else -1, tag)  # before the segment's duration
            number, iv = number + (not is_header), iv + 1
        lines.append(line)
    (origin.folder / "list.m3u8").write_text("\n".join(lines))


def loaded_from(origin: HlsOrigin) -> dict[str, bytes]:
    """Each segment's bytes as they are handed on: FFmpeg plays, too, what a wrong IV leaves of the first 16."""
    client = WebClient(NetworkAddress.parse(origin.url), Waits(20))
    body = client.get(origin.url)
    listed = read_media_list(body.whole(1 << 20).decode(), body.url)
    body.close()
    loader = SegmentLoader(client, origin.url, listed, Fraction(0))
    loader.start()
    found = {}
    for segment in listed.segments:
        loaded = loader.take(60)
        assert isinstance(loaded, Loaded)
        found[segment.piece.url.rpartition("/")[2]] = loaded.data
    loader.join(60)
    return found


@pytest.mark.parametrize("iv", ["", "0123456789abcdef0123456789ABCDEF"])
def test_what_ffmpeg_encrypts(iv: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with finite_hls(tmp_path / "plain", COUNT):
        pass
    options = {"hls_key_info_file": key_info(tmp_path, iv)}
    with finite_hls(tmp_path, COUNT, options=options) as origin:
        assert "METHOD=AES-128" in (tmp_path / "list.m3u8").read_text()
        with opened(origin.url) as source:
            assert [each.number for each in watch(source)] == list(range(COUNT))
        assert origin.asked.count("/live/secret.key") == 1
        found = loaded_from(origin)
    assert found == {name: (tmp_path / "plain" / name).read_bytes() for name in found}


def test_a_live_list_that_ffmpeg_encrypts(tmp_path: Path) -> None:
    options = {"hls_key_info_file": key_info(tmp_path)}
    with live_hls(tmp_path, options=options) as origin, opened(origin.url) as source:
        assert source.info.live
        assert len(off(watch(source, 60))) == 1


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
@pytest.mark.parametrize("ivs", [True, False])
def test_headers_and_keys_that_change(kind: str, ivs: bool, tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(KEY)
    (tmp_path / "next.key").write_bytes(KEY[::-1])
    ending = "ts" if kind == "mpegts" else "m4s"
    with finite_hls(tmp_path, COUNT, kind=kind) as origin:
        plain = {file.name: file.read_bytes() for file in tmp_path.glob(f"list*.{ending}")}
        encrypt(origin, {f"list{number}.{ending}": "next.key" for number in (2, 4)}, ivs=ivs)
        with opened(origin.url) as source:
            assert [each.number for each in watch(source)] == list(range(COUNT))
        assert [origin.asked.count(f"/live/{key}") for key in ("secret.key", "next.key")] == [1, 1]
        assert loaded_from(origin) == plain


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (KEY[:15], "what should be its key has 15 bytes → look whether it is for those only who sign in"),
        (b"<html>please sign in</html>", "what should be its key has 27 bytes"),
        (KEY[::-1], "its key does not fit|no video"),
        (None, "names a key that its server has not"),
    ],
)
def test_keys_that_are_none(key: bytes | None, words: str, tmp_path: Path) -> None:
    with finite_hls(tmp_path, COUNT, options={"hls_key_info_file": key_info(tmp_path)}) as origin:
        (tmp_path / "secret.key").unlink()
        if key is not None:
            (tmp_path / "secret.key").write_bytes(key)
        with pytest.raises(SourceError, match=words):
            open_source(origin.url, patience=ONCE)


def test_without_the_library_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Cryptodome.Cipher", None)
    with (
        finite_hls(tmp_path, COUNT, options={"hls_key_info_file": key_info(tmp_path)}) as origin,
        pytest.raises(SourceError, match="pycryptodomex is not installed → pip install pycryptodomex"),
    ):
        open_source(origin.url, patience=ONCE)


def test_a_segment_cut_short_does_not_pass_for_a_whole_one(tmp_path: Path) -> None:
    with finite_hls(tmp_path, COUNT, options={"hls_key_info_file": key_info(tmp_path)}) as origin:
        file = tmp_path / "list2.ts"
        file.write_bytes(file.read_bytes()[:-7])
        with opened(origin.url, ONCE) as source, pytest.raises(SourceError, match="its key does not fit"):
            watch(source)


def test_what_holds_for_which_segment() -> None:
    found = read_media_list(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:300\n"
        '#EXT-X-MAP:URI="i.mp4"\n#EXTINF:4,\na\n'
        '#EXT-X-KEY:METHOD=AES-128,URI="k?one"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple"\n'
        "#EXTINF:4,\nb\n#EXTINF:4,\nc\n"
        '#EXT-X-KEY:METHOD=AES-128,URI="//other/k",IV=0XFF,KEYFORMAT="identity"\n#EXTINF:4,\nd\n'
        "#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\ne\n",
        "https://host/live/x.m3u8",
    )
    key = "https://host/live/k?one"
    assert not found.protected
    assert [each.piece.lock for each in found.segments] == [
        None,
        Lock(key, (301).to_bytes(16, "big")),
        Lock(key, (302).to_bytes(16, "big")),
        Lock("https://other/k", (255).to_bytes(16, "big")),
        None,
    ]
    assert {each.header for each in found.segments} == {Piece("https://host/live/i.mp4")}
