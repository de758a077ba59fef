"""Residual codecs: networks (SEANet, DAC), residual vector quantisation, and their live
streams.

Knows no devices, threads or timelines. books.py alone is free of torch, for codecs of numpy.
"""
