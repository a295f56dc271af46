"""A run as one HTML page, for people: no network, no script, nothing beside the file.

markup     how text becomes markup, and the only way for it to get there
look       the style, and the policy that a browser holds the page to
page       the whole, from head to foot
tasks      one task: attempts, parts, output, files
tree       all tasks, by directory
timeline   who was busy when, and where the box was away
graph      what needs what
past       how earlier runs went, and what is unsteady
"""
