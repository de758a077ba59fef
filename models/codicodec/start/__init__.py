"""The start of nano: codes that are a waveform with tones and attacks before any training.

    samples -> gain control -> MDCT of mid and side -> energies, shapes of blocks -> 256 digits (encoder)
    256 digits -> mean waveform, gain, power of what is missing (decoder)

A frame's digits are the 64 tokens x 4 digits of `CoDiCodecConfig.levels`. Numpy, and torch for one
search. Knows nothing of the network, of streams beyond one encoder's state, or of files.
"""
