"""The protocol behind the published tables of STCCL and its baselines, reproduced exactly.

`faces` reads the face images of actors and emotions, `inputs` prepares them for the networks as
published, `scores` has the formulas, and `protocol` makes the table. Its oddities are kept, for the
point is to repeat published rows; `protocol.DIFFERENCES` says what our own measures do instead.
"""
