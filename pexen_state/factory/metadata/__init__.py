"""What files of a tree say of the tasks in it: `pexen.toml`, comments of scripts, `__pexen__` of python modules.

toml_lines      on which line of a TOML file something stands
document        one file: read, checked as a whole, refused with file, line and key
comments        lines of a script that are for us
layers          what is said of one task, from the root downwards; and what follows from all of it
tree            all files of a tree, and which layers hold where
"""
