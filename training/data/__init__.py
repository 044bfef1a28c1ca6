"""Annotated slices on disk and in memory, without torch.

`dataset` says what a data set is and opens one; `hdf5` is the stored form; `splits` divides patients.
"""
