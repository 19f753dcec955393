"""Whatever takes results: video files, events."""
