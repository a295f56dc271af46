"""What `scripts/bench` is made of: cases, the peers that run them, and the page that says how it went.

`peers` holds one program for each runner that is compared. Such a program is a child process in an environment
of its own, imports nothing of this package but `shapes`, `witness` and `child`, and prints one JSON line.
"""
