"""Entropy coding of tokens: a model of token counts and a range coder, exact on every machine.

Knows integers and numpy only. Must not know sound, networks of codecs or torch.
"""
