"""HoloLens 2 as a source: hl2ss's research streams, and the Device Portal's video."""
