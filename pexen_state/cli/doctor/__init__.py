"""`pexen doctor`: what about this box and this journal would hurt a run, and how it is mended.

`reading` and `reading_journal` look, by way of `files`, and are the only ones that do; what they saw is in `seen`,
plain values. `of_journal`, `of_box` and `of_service` make a finding of each value, `examination` puts them in order.
"""
