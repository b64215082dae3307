"""From bytes on disk to one tree of values that remember where they were written.

file -> source.py: bytes to text -> parse.py: text to tree -> extends.py: trees merged
"""
