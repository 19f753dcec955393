"""A media server for one stream in a process of its own, run by the system's Python, which has GStreamer's bindings.

What is pushed to ``/live`` is kept as MPEG-TS as it came, one file per session. It prints the port it listens at.
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
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402

_LAUNCH = (
    "( rtp{codec}depay name=depay0 ! {codec}parse config-interval=-1 ! video/x-{codec},alignment=au ! mpegtsmux"
    " ! filesink buffer-mode=unbuffered sync=false async=false location={file} )"
)
_ROLE = "pusher"


class _Sessions(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]  # no stubs
    """A pipeline, and so a file, for every session."""

    def __init__(self, folder: Path, codec: str) -> None:
        super().__init__()
        self._folder, self._codec = folder, codec
        self.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)

    def do_create_element(self, _url: object) -> Any:
        files = (self._folder / f"{number}.ts" for number in itertools.count())
        return Gst.parse_launch(
            _LAUNCH.format(codec=self._codec, file=next(file for file in files if not file.exists()))
        )


def _guarded(login: str | None, certificate: str | None, factory: Any) -> Any:
    """Who may push: everybody, or who knows ``name:password``; with TLS where there is a certificate."""
    auth, token, permissions = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken(), GstRtspServer.RTSPPermissions()
    token.set_string("media.factory.role", _ROLE)
    if login:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login.split(":", 1)), token)
    else:
        auth.set_default_token(token)
    if certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate))
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role(_ROLE, permission, True)
    factory.set_permissions(permissions)
    return auth


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", required=True)
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--login")
    parser.add_argument("--certificate")
    given = parser.parse_args()
    Gst.init(None)
    server, factory = GstRtspServer.RTSPServer(), _Sessions(given.folder, given.codec)
    server.set_address("127.0.0.1")
    server.set_service(given.port)
    if given.login or given.certificate:
        server.set_auth(_guarded(given.login, given.certificate, factory))
    server.get_mount_points().add_factory("/live", factory)
    if server.attach(None) == 0:
        sys.exit("cannot listen")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
