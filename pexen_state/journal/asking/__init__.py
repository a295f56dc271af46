"""Questions to a journal beyond one run: a person's own SQL, saved queries, several journals, the past."""
