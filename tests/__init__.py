"""Facts about Verdigris, one file for each family of facts."""
