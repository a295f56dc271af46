"""What people and other programs are shown of a run: text, tables, lines.

`display` is what is shown while a run goes on. Reads results and the journal's queries; knows nothing of scheduling,
and decides nothing.
"""
