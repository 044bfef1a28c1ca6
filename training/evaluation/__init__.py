"""Score segmenters on annotated slices; import the modules themselves."""
