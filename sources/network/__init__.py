"""Streams of the network: RTSP by FFmpeg; HTTP, MJPEG and HLS by a web client of ours, decoded by FFmpeg."""
