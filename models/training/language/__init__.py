"""Training of the token language model. Imported by nothing that plays."""
