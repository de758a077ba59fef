"""Fitting of nano's start: a KLT of energies and books of shapes, no gradient."""
