"""The forms in which annotated slices come on disk, one file each; `sniffing` tells them apart.

A form reads: it turns its own layout into annotated slices, one by one, and counts what it leaves out and why.
What is made of the slices (splits, size, the file that is written) is `training.data.prepare`'s.
"""
