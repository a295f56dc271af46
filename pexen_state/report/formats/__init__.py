"""A run in the words of other tools: each file writes one format, from the same facts (`whole`).

Text from tasks is hostile here, too: a format says how it holds any text, and nothing else is written into it.
"""
