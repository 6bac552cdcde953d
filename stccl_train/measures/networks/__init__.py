"""The published networks of the field's measures, with the state-dict names of their files.

None of them may be redistributed here: users bring the files. `weight_files` says which exist.
"""
