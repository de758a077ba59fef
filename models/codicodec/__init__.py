"""CoDiCodec: network, sampling, streams and whole files, and the reading of its checkpoints.

Knows `models.codec`, `models.kernels` and `models.weights_io`. Must not know other families or
training.
"""
