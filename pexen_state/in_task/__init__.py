"""What a running executable may say: the commands that are first in its PATH.

`bin/` holds what tasks call, under pexen's names and under those of the runners that their authors know. All of it is
`client.py`, which asks at PEXEN_SOCKET. It is started by python alone, without `site` and without this package: a
test may call it in a loop.
"""
