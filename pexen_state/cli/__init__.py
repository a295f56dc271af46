"""The command line: one file a verb (`verbs`), and what they share. It imports everything and is imported by nothing.

`main` knows the verbs by name and loads the one that is asked for, so that `pexen --help` is quick.
"""
