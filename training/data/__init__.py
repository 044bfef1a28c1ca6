"""Annotated slices on disk and in memory, without torch.

`dataset` says what a data set is, `opening` opens one; `hdf5` is the stored form; `phantom` makes synthetic ones;
`splits` divides patients.
"""
