"""The journal: one SQLite file that holds every decision of every run, and the projection of where each task stands.

Who writes is in `writer` (SQLAlchemy Core, one connection, under the run lock of `lock`), who reads is in `reader`
and `queries` (the standard library's sqlite3). `asking` has the questions that go beyond one run,
`care` what is done to the file between runs. Nothing is imported here: a looking verb must not pay for SQLAlchemy.
"""
