"""What the plugin and its docks are called, as ``napari.yaml`` has it."""

PLUGIN = "napari-ambiseg"
VIEWER = "Disagreement viewer"
CASES = "Cases"
SAMPLER = "Sampler"
TRAJECTORY = "Trajectory"
DISAGREEMENT = "Disagreement"
POSTPROCESSING = "Post-processing"
