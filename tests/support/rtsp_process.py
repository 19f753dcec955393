"""An RTSP server in a process of its own, run by the system's Python: GStreamer's bindings are packages of the system.

Its only argument is JSON: {"port", "cert", "key", "mounts": [{"path", "width", "height", "rate", "codec",
"keyframe_s", "audio_only", "states_rate"}], "users": [[name, password]], "scheme": "basic" | "digest", "epoch_ns"}. It
prints the port it listens at, takes {"path", "width", "height"} a line to change a running mount or "cut" to end every
connection, and ends with its input.

Picture n is the one due at epoch_ns + n / rate on the monotonic clock of the machine, which every process shares: the
number in it says how old it is, and goes on counting while nobody watches or the process stands still.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi

sys.path.insert(0, str(Path(__file__).resolve().parent))
from numbered import i420  # type: ignore[import-not-found]  # a neighbour here, a module of tests there

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

_X264 = "x264enc tune=zerolatency threads=1 speed-preset=ultrafast"  # with slices, each has parameter sets before it
_ENCODERS = {
    "h264": _X264 + " key-int-max={gop} ! rtph264pay config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} ! rtph265pay config-interval=-1",
    "mjpeg": "jpegenc ! rtpjpegpay",
}
_SOUND = "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )"


class Mount(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]  # no stubs
    """One path of the server; everybody who watches it sees the same stream."""

    def __init__(self, wanted: dict[str, Any], epoch_ns: int) -> None:
        super().__init__()
        self.size = (wanted["width"], wanted["height"])
        self._rate, self._epoch_ns = wanted["rate"], epoch_ns
        self._states_rate = wanted["states_rate"]
        gop = max(1, round(wanted["keyframe_s"] * self._rate))
        encoder = _ENCODERS[wanted["codec"]].format(gop=gop)
        source = "appsrc name=source is-live=true format=time block=false max-buffers=4 leaky-type=downstream"
        video = f"( {source} ! queue ! {encoder} name=pay0 pt=96 )"
        self.set_launch(_SOUND if wanted["audio_only"] else video)
        self.set_shared(True)
        self.connect("media-configure", self._configured)

    def _configured(self, _factory: Any, media: Any) -> None:
        source = media.get_element().get_by_name("source")
        if source is None:
            return
        ended = threading.Event()
        media.connect("unprepared", lambda _media: ended.set())
        source.set_property("caps", self._caps(self.size))
        threading.Thread(target=self._push, args=(source, ended), daemon=True).start()

    def _push(self, source: Any, ended: threading.Event) -> None:
        """Gives each picture when it is due, or a little late; what became due in half a second or more is left out."""
        size, number, first = self.size, self._due(), None
        while not ended.is_set():
            if size != self.size:
                size = self.size
                source.set_property("caps", self._caps(size))
            clock, base = source.get_clock(), source.get_base_time()
            if clock is None or not base:  # it does not play yet, and nobody knows what time it is
                time.sleep(0.005)
                continue
            number = number + 1 if self._due() - number < self._rate // 2 else self._due()
            time.sleep(max(0.0, (self._epoch_ns + number * 1e9 / self._rate - time.monotonic_ns()) / 1e9))
            stamp = clock.get_time() - base
            if first is None:
                first = stamp - number * Gst.SECOND // self._rate  # from here on exactly the rate
            buffer = Gst.Buffer.new_wrapped(i420(number, *size))
            buffer.pts = max(0, first + number * Gst.SECOND // self._rate)
            buffer.duration = Gst.SECOND // self._rate
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return

    def _due(self) -> int:
        return int((time.monotonic_ns() - self._epoch_ns) * self._rate // 1_000_000_000)

    def _caps(self, size: tuple[int, int]) -> Any:
        (width, height), rate = size, self._rate if self._states_rate else 0
        return Gst.Caps.from_string(
            f"video/x-raw,format=I420,width={width},height={height},framerate={rate}/1,"
            "pixel-aspect-ratio=1/1,interlace-mode=progressive"
        )


def _guard(server: Any, wanted: dict[str, Any], factories: list[Any]) -> None:
    """TLS and passwords, as far as they are wanted."""
    if not wanted["users"] and not wanted["cert"]:
        return
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if wanted["cert"]:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(wanted["cert"], wanted["key"]))
    if not wanted["users"]:
        auth.set_default_token(token)
    digest = wanted["scheme"] == "digest"
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST if digest else GstRtsp.RTSPAuthMethod.BASIC)
    for name, password in wanted["users"]:
        if digest:
            auth.add_digest(name, password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    server.set_auth(auth)
    for factory in factories:
        role = Gst.Structure.new_empty("viewer")
        role.set_value("media.factory.access", True)
        role.set_value("media.factory.construct", True)
        factory.add_role_from_structure(role)


def _listen(server: Any, mounts: dict[str, Mount], loop: Any) -> None:
    for line in sys.stdin:
        change = json.loads(line)
        if change == "cut":
            server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
            continue
        mounts[change["path"]].size = (change["width"], change["height"])
    GLib.idle_add(loop.quit)


def main() -> None:
    """Serve until the input ends."""
    wanted = json.loads(sys.argv[1])
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("0.0.0.0")
    server.set_service(str(wanted["port"]))
    mounts = {each["path"]: Mount(each, wanted["epoch_ns"]) for each in wanted["mounts"]}
    for path, mount in mounts.items():
        server.get_mount_points().add_factory(path, mount)
    _guard(server, wanted, list(mounts.values()))
    loop = GLib.MainLoop()
    if not server.attach(None):
        sys.exit(f"port {wanted['port']} cannot be had")
    threading.Thread(target=_listen, args=(server, mounts, loop), daemon=True).start()
    print(server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
