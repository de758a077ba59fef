"""Fitting of swift: books by k-means, no gradient."""
