"""A load test of relays for event streams, on loopback; `python -m benchmarks.load --help`."""
