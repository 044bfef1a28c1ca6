"""Annotated slices on disk and in memory, without torch.

`dataset` says what a data set is; `opening` opens one, and `reading` does so in a child process.  `hdf5` is the stored
form.  `forms` reads all others; `prepare` converts them, `conversion` and `counting` do so in a child process, with
`splits`, `selection`, `crops`, `field` and `window`.  `phantom` makes synthetic slices.
"""
