"""The audio that trains the bundled networks: where it comes from, and how it is got."""
