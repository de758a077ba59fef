"""Plots: scrolling spectrograms, latents and tokens, meters, spectrum, histogram, and their
arithmetic.

They must not know the client connection, actions or buttons; data is passed in.
"""
