"""No password of a source reaches anything that a run prints or writes, in any form."""

from __future__ import annotations

import base64
import os
import traceback
from pathlib import Path
from urllib.parse import quote

import av.logging
import pytest

from contracts.errors import RoadStreamError
from contracts.live import Patience
from contracts.secrets import Redacting
from sources.open import open_source
from tests.support.networks import mask_network
from tests.support.peers import peer, rubbish
from tests.support.program import run_stream
from tests.support.rtsp_server import Access, Mount, rtsp_server
from tests.support.watching import opened, watch
from tests.support.web import site

USER, PASSWORD = "b@b", "Tr0ub/4dor&3é"
FORMS = {
    PASSWORD,
    quote(PASSWORD, safe=""),
    quote(PASSWORD),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode().rstrip("="),
}
WRITTEN = f"{quote(USER)}:{quote(PASSWORD, safe='')}@"


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form.lower() in text.lower()]


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_a_run_that_goes_well_and_one_that_loses_its_source(scheme: str, tmp_path: Path) -> None:
    network = mask_network(tmp_path / "net.onnx")
    outputs = {name: tmp_path / name for name in ("stats.json", "events.jsonl", "report.html", "out.mp4")}
    access = Access([(USER, PASSWORD)], "digest" if scheme == "digest" else "basic")
    with rtsp_server(Mount(), access=access) as server:
        words = [
            f"--{option}={outputs[file]}"
            for option, file in (("stats", "stats.json"), ("events", "events.jsonl"), ("report", "report.html"))
        ]
        uri = server.url().replace("//", "//${CAMERA_USER}:${CAMERA_PASSWORD}@")
        environment = {**os.environ, "CAMERA_USER": USER, "CAMERA_PASSWORD": PASSWORD}
        dry = run_stream(uri, "--dry-run", environment=environment)
        done = run_stream(
            uri, "--engine", network, "--debug", "--max-frames=10", f"--save={outputs['out.mp4']}", *words,
            environment=environment,
        )  # fmt: skip
        server.kill()
        url = server.url("/cam", USER, PASSWORD)
        gone = run_stream(url, "--engine", network, "--debug", "--reconnect=1", "--open-timeout=5")
    assert (dry.code, done.code, gone.code) == (0, 0, 3), done.err + gone.err
    written = "".join(path.read_text() for path in outputs.values() if path.suffix != ".mp4")
    tags = outputs["out.mp4"].read_bytes().decode("latin-1")
    assert not leaks(dry.out + dry.err + done.out + done.err + gone.out + gone.err + written + tags)


def test_a_wrong_password_is_tried_once_and_not_shown() -> None:
    with rtsp_server(access=Access([(USER, "another")], "digest")) as server:
        done = run_stream(server.url("/cam", USER, PASSWORD), "--debug")
    assert done.code == 3
    assert "refuses the login (401)" in done.err
    assert "trying again" not in done.err
    assert not leaks(done.out + done.err)


def test_exceptions_and_what_they_came_from() -> None:
    found = []
    with rtsp_server(access=Access([(USER, "another")])) as server, site(b"", login=(USER, "another")) as host:
        found += [_failure(server.url("/cam", USER, PASSWORD)), _failure(host.url.replace("//", f"//{WRITTEN}"))]
    for data in (b"", rubbish(), b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://127.0.0.1:9/x\r\n\r\n"):
        with peer(data) as (address, _):
            found += [_failure(f"{scheme}://{WRITTEN}{address}/x?token={PASSWORD}") for scheme in ("rtsp", "https")]
    for error in found:
        seen: list[BaseException] = [error]
        for each in seen:
            seen += [one for one in (each.__cause__, each.__context__) if one is not None and one not in seen]
        told = "".join("".join(traceback.format_exception(each)) + repr(each.args) + str(each) for each in seen)
        assert not leaks(told)


def test_what_ffmpeg_logs_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(Redacting())
    level = av.logging.get_level()
    av.logging.set_level(av.logging.VERBOSE)
    try:
        with rtsp_server(access=Access([(USER, PASSWORD)])) as server:
            with opened(server.url("/cam", USER, PASSWORD)) as source:
                watch(source, 3)
            _failure(server.url("/nothing", USER, PASSWORD))
            av.logging.log(av.logging.ERROR, "rtsp", f"cannot open {server.url('/cam', USER, PASSWORD)}")
    finally:
        av.logging.set_level(level)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("libav")]
    assert any("cannot open rtsp://" in line for line in lines)
    assert not leaks("\n".join(lines))


def _failure(uri: str) -> RoadStreamError:
    with pytest.raises(RoadStreamError) as caught:
        open_source(uri, patience=Patience(2, 2, 0))
    return caught.value
