"""A media server for one stream: GStreamer's RTSP server in record mode, run by the system's own Python.

What is pushed to it is kept as MPEG-TS, one file per session, as it came. Nothing of ours is imported here.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_LAUNCH = (
    "( rtp{codec}depay name=depay0 ! {codec}parse config-interval=-1 ! video/x-{codec},alignment=au ! mpegtsmux"
    " ! filesink buffer-mode=unbuffered sync=false async=false location={file} )"
)
_PATH = "/live"
_ROLE = "pusher"


class _Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """A pipeline, and so a file, for every session."""

    def __init__(self, folder: Path, codec: str) -> None:
        super().__init__()
        self._folder, self._codec, self._numbers = folder, codec, itertools.count()
        self.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)

    def do_create_element(self, _url: object) -> Any:
        file = self._folder / f"{next(self._numbers)}.ts"
        while file.exists():  # of a server before this one
            file = self._folder / f"{next(self._numbers)}.ts"
        return Gst.parse_launch(_LAUNCH.format(codec=self._codec, file=file))


def _let_only_in(server: Any, factory: Any, login: str) -> None:
    """Basic authentication: user:password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", _ROLE)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login.split(":", 1)), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(_ROLE, "media.factory.access", True)
    permissions.add_permission_for_role(_ROLE, "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until killed; prints the port once it listens."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", default="0")
    parser.add_argument("--login")
    parser.add_argument("--codec", default="h264")
    given = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(given.port)
    factory = _Factory(given.folder, given.codec)
    if given.login:
        _let_only_in(server, factory, given.login)
    server.get_mount_points().add_factory(_PATH, factory)
    if server.attach(None) == 0:
        sys.exit("cannot listen")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
