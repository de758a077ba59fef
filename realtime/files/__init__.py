"""Files: audio in and out by libsndfile, and tapes of codec frames.

Knows formats and frames; it does not know streams, engines or which codecs exist.
"""
