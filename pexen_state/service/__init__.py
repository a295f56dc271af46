"""pexen as a service of systemd: which units there are, what is written into them, how systemd is told.

Units are text, made of values and of nothing else. What a service was made of stands in its unit, in a section that
systemd leaves alone; so the units are the register of all services of a box, and there is no other one.
"""
