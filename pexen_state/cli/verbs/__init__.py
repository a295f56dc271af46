"""The verbs, one file each: what may be typed after `pexen`, and what is shown for it."""
