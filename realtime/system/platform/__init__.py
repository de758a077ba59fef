"""Operating system behind small interfaces: memory, locks, processes, priority, clock, stops, folders.

Each module is one small interface with an implementation for each system. No other module asks
which system this is (tests/system/test_platform.py). Imports nothing of the product.
"""
