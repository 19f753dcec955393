"""Sources that come and go: one core for cameras, network streams and headsets."""
