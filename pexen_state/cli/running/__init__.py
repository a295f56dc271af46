"""One session of a run, seen from the command line: options, what is recorded, what is said at its begin and end."""
