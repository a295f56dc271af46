"""One program for each runner that is compared; `python -m scripts.benchmark.peers.NAME JSON` (see `child`)."""
