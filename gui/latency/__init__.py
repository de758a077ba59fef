"""The latency in parts: bars of its terms, and the popup that explains them.

Knows the widgets, and no page.
"""
