"""Networks of others that judge sound: a pitch tracker and a music tagger, from the weights in their packages.

Must not know codecs or training loops.
"""
