"""The options of a run: argparse in, the names of RunConfig out. Shared by ``run`` and ``bench``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_NOT_RUN_CONFIG = {"config", "debug", "quiet", "dry_run", "json", "rounds"}


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Every option that ends in a RunConfig; absent ones stay absent, so that a preset can give them."""
    parser.set_defaults()
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="a video file; pictures: a file, a folder or 'shots/*.jpg', ?fps=5 behind it sets their rate; "
        "- (standard input); a camera: 0, or camera:/dev/video2?size=1280x720&fps=30&format=mjpeg; "
        "a network stream: rtsp://USER:${PASSWORD}@HOST/PATH or rtsps://…, http(s)://… (MP4, MJPEG or HLS, known by "
        "what comes; ${NAME} is read from the environment; #insecure behind it accepts a device's own certificate); "
        "youtube:ID, or the page of a video (needs the extra 'youtube'); "
        "a HoloLens 2: hl2ss://HOST[?size=1280x720&fps=30&format=hevc&bitrate=4M&depth=none] (the app hl2ss; with pose "
        "and depth) or 'hololens://${USER}:${PASSWORD}@HOST[?quality=med]' (its Device Portal); labelled pictures: "
        "dataset:DIR[?layout=yolo&split=val]; pictures of a network: generator:NET.onnx[?count=16&seed=1]; "
        "synthetic:[LOOK][?seed=1&seconds=20]. Several run at once, networks are shared: --save out.mp4 writes"
        " out-NAME.mp4 of each, --labels DIR fills DIR/NAME, --grid puts them into one picture; one that is lost ends"
        " alone (exit code 3 at the end)",
    )
    _source_options(parser.add_argument_group("source"))
    _live_options(parser.add_argument_group("live sources"))
    _engine_options(parser.add_argument_group("networks"))
    _output_options(parser.add_argument_group("outputs"))
    _drawing_options(parser.add_argument_group("drawing"))


def _source_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--start", metavar="TIME", help="skip this much: seconds or [h:]mm:ss")
    group.add_argument("--seconds", metavar="TIME", help="stop after this much of the source")
    group.add_argument("--max-frames", type=int, metavar="N", help="stop after N frames")
    group.add_argument("--loop", action="store_true", help="start again when the source ends (time goes on)")
    group.add_argument("--realtime", action="store_true", help="pace a recorded source at its own speed, drop nothing")
    group.add_argument("--live", action="store_true", help="pace it and drop frames as a camera would")
    group.add_argument("--strict", action="store_true", help="exit with 3 when part of the input was unreadable")


def _live_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--reconnect",
        metavar="N|forever",
        help="tries in a row that may fail before a source that is gone is given up (exit code 3), with waits between"
        " them from half a second up to half a minute; a wrong password is never tried again (5; forever for cameras,"
        " RTSP and HoloLens once they have been live)",
    )
    group.add_argument("--open-timeout", metavar="TIME", help="longest wait for the first picture of every try (10 s)")
    group.add_argument("--read-timeout", metavar="TIME", help="longest wait for the next picture (5 s)")
    group.add_argument(
        "--max-age-ms",
        type=float,
        metavar="MS",
        help="drop frames that are older than this when the networks could look at them: after a stall of the network"
        " everything that was held up comes at once",
    )
    group.add_argument(
        "--transport", metavar="NAME", help="how RTSP pictures come: tcp (whole) or udp (no waiting, losses show) (tcp)"
    )


def _engine_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--engine",
        action="append",
        dest="engines",
        metavar="FILE[?KEY=VALUE&…]",
        help="network file (.onnx or OpenVINO .xml); repeat for several on one stream; none: the one in"
        " the box, int8 where that is good on this CPU (checked once), else its float file, which is said;"
        " keys: card, backend, device, precision, threads, score, iou; every=N: look at every N-th frame only and"
        " carry the last result on, marked as such (for a slow second network)",
    )
    group.add_argument("--card", metavar="FILE", help="what the file cannot say itself (YAML); see configs/networks/")
    group.add_argument("--backend", metavar="NAME", help="auto, openvino or onnxruntime (auto: openvino)")
    group.add_argument("--device", metavar="NAME", help="where networks run (cpu)")
    group.add_argument("--precision", metavar="NAME", help="auto, fp32 or bf16 (auto: what the runtime finds fastest)")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads per network (all cores)")
    group.add_argument("--score", type=float, metavar="S", help="least score of a box (the card's, else 0.25)")
    group.add_argument("--iou", type=float, metavar="S", help="overlap above which boxes are one (card's, else 0.45)")
    group.add_argument("--classes", metavar="A,B", help="keep only these classes")
    group.add_argument("--max-detections", type=int, metavar="N", help="most boxes per frame and head (300)")
    group.add_argument("--class-agnostic", action="store_true", help="boxes of different classes suppress one another")
    group.add_argument(
        "--track",
        nargs="?",
        const="bytetrack",
        metavar="NAME",
        help="give every box the number of the thing it shows, the same from frame to frame (drawn as '#3', in events"
        " as 'track'): bytetrack (weak boxes go on with a track but start none; a bare --track, behind the source),"
        " sort (the plainest) or ocsort (for motion that bends); needs the extra 'track'",
    )
    group.add_argument(
        "--track-buffer",
        metavar="TIME",
        help="how long a tracked thing may be out of sight and keep its number, in seconds of the source (1.0)",
    )
    group.add_argument(
        "--ignore",
        action="append",
        metavar="POLYGON",
        help="leave an area out (the own bonnet, a time stamp): boxes that lie in it by more than half, and masks'"
        " pixels; the networks still see it. Points x,y in pixels of the upright frame or per cent of its sides:"
        " '0%%,80%% 100%%,80%% 100%%,100%% 0%%,100%%'; where edges cross, what is enclosed twice is outside; repeat for"
        " several",
    )
    group.add_argument(
        "--region",
        action="append",
        dest="regions",
        metavar="NAME=POLYGON",
        help="count boxes whose foot (the middle of the lower edge) is in an area, per class, in events, statistics and"
        " picture; repeat for several; those of one name are one area",
    )


def _output_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--save", metavar="OUT.mp4", help="annotated video; plays everywhere, survives a kill")
    group.add_argument(
        "-o", dest="out", action="append", metavar="OUT", help="--save, --events, --stats or --report by its ending"
    )
    group.add_argument(
        "--segment",
        metavar="TIME|SIZE",
        help="record for days: begin a new file whenever one has so much: 10m, 1h30m, or 2GB (GiB: 1024³ bytes)."
        " OUT.mp4 becomes OUT-000001-20261127T190501Z.mp4 and so on (UTC of its first frame; only the number where a"
        " recorded source names no time), each whole and playable by itself, nothing lost between two; a run started"
        " again goes on behind the highest number, and finishes what a killed one left",
    )
    group.add_argument(
        "--keep",
        metavar="SIZE",
        help="with --segment: the most disk that all segments of OUT take, those of earlier runs too, such as 50GB; the"
        " oldest go first, also where the disk is full before. Only files that RoadStream recorded under exactly such"
        " a name go: to keep one for good, rename or move it",
    )
    group.add_argument("--codec", metavar="NAME", help="h264, hevc or av1 (h264)")
    group.add_argument("--crf", type=int, metavar="N", help="quality, less is better and larger (23)")
    group.add_argument("--preset", metavar="NAME", help="encoder's speed against size (veryfast)")
    group.add_argument("--no-audio", action="store_false", dest="audio", help="leave the source's sound out")
    group.add_argument(
        "--events",
        metavar="FILE",
        help="what was seen: .jsonl (an object per frame, with lane lines), .csv (a row per box) or .parquet (both, as"
        " a table; needs the extra 'parquet')",
    )
    group.add_argument("--stats", metavar="FILE.json", help="figures of the run")
    group.add_argument(
        "--show",
        action="store_true",
        help="a window with the annotated pictures: q, Esc or closing it ends the run in order (exit code 0), space"
        " pauses the run (of a live source only the picture), s saves what is seen as SOURCE-000012.png in the current"
        " folder; the newest picture is shown, the run never waits for the window; needs the extra 'show'",
    )
    group.add_argument(
        "--grid",
        action="store_true",
        help="several sources side by side in one picture: --save writes one video of it (else each source its own),"
        " --output-size is its size; recorded sources keep step by their own time, live ones show their latest"
        " picture; what --show and --push show of several sources is a grid anyway",
    )
    group.add_argument(
        "--report",
        metavar="FILE.html",
        help="page about the run, one file: figures, latency and detections over time, where a frame's time goes, the"
        " most eventful frames, what was odd; written too when the run is interrupted or fails",
    )
    group.add_argument(
        "--push",
        metavar="URL",
        help="send the annotated stream to a media server: rtsp://USER:${PASSWORD}@HOST:8554/NAME (rtsps://) or"
        " rtmp://HOST/APP/KEY (rtmps://), ${…} read from the environment, #insecure behind it for a server that signed"
        " its certificate itself; --codec, --crf and --preset hold for it, too. The run never waits for the server:"
        " pictures it is too slow for are left out, a lost connection is made again. A recorded source is paced as with"
        " --realtime, for that is what a server's viewers see; where the networks are slower, add --live",
    )
    group.add_argument(
        "--pictures", metavar="DIR", help="annotated pictures, DIR/SOURCE-000012.jpg, a JPEG (quality 95) per frame"
    )
    group.add_argument(
        "--masks",
        metavar="DIR",
        help="masks at the frame's size, DIR/HEAD/SOURCE-000012.png: areas 0 and 255, class maps as class ids",
    )
    group.add_argument(
        "--labels",
        metavar="DIR",
        help="what was found, as labels for training: the frames themselves in DIR/images (JPEG, quality 95), boxes or"
        " polygons beside them. A run started again into the same DIR goes on behind what is there, as --pictures and"
        " --masks do; labels of other classes or of another hand, and another clip of the same name, are refused",
    )
    group.add_argument(
        "--labels-format",
        metavar="NAME",
        help="yolo (DIR/labels/*.txt, data.yaml) or coco (DIR/annotations/instances.json) (yolo)",
    )
    group.add_argument(
        "--findings",
        metavar="DIR",
        help="for inspection: DIR/findings.csv (a row per box: where, when, area and length in pixels), DIR/crops (a"
        " picture of each, with --track of each thing's surest), DIR/summary.json (shares of frames, areas, lengths)."
        " Goes on behind what is there, so several sources can share a folder",
    )
    group.add_argument("--overwrite", action="store_true", help="replace outputs that exist")


def _drawing_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--layers", metavar="A,B", help="what is drawn: boxes,labels,drivable,lanes,panel,regions (all)")
    group.add_argument(
        "--truth",
        action="store_true",
        help="draw the source's own labels, too (dataset:, synthetic:): dashed lines, hatched areas, white labels",
    )
    group.add_argument(
        "--output-size",
        metavar="WxH",
        help="size of annotated pictures (1280x720; the source's): scaled first, drawn on then, black bars where the"
        " shapes differ; facts keep the source's pixels",
    )
    group.add_argument("--alpha", type=float, metavar="S", help="strength of filled areas, 0 to 1 (0.45)")
    group.add_argument("--palette", metavar="NAME", help="okabe-ito (safe for colour-blind people) or bright")


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """What every run-like command has."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="preset (YAML) with these same names, yours or one in the box: dashcam, annotate, webcam, hololens,"
        " benchmark, crack-inspection, waste-sorting; options here win",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress line, no summary")
    parser.add_argument("--debug", action="store_true", help="log everything, show where an error came from")


def run_options(arguments: argparse.Namespace) -> tuple[dict[str, Any], Path | None]:
    """Split parsed arguments into RunConfig's names and the preset's path."""
    from contracts.errors import UsageError

    given = {key: value for key, value in vars(arguments).items() if key not in _NOT_RUN_CONFIG}
    if not given.get("sources"):
        given.pop("sources", None)
    for path in given.pop("out", ()):
        option = _option_for(path)
        if option in given:
            raise UsageError(f"-o {path}: --{option} is given already", "one output of a kind per run")
        given[option] = path
    preset = getattr(arguments, "config", None)
    return given, Path(preset) if preset else None


def _option_for(path: str) -> str:
    """The output option that ``-o PATH`` means; raises UsageError."""
    from contracts.errors import UsageError
    from contracts.output_options import OUTPUTS

    known = {ending: name for name, option in OUTPUTS.items() for ending in option.endings}
    ending = Path(path).suffix.lower()
    if ending not in known:
        raise UsageError(f"-o {path}: no output has the ending {ending!r}", f"known: {', '.join(known)}")
    return known[ending]
