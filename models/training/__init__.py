"""Training and evaluation of networks: `verdigris train`, `verdigris evaluate`.

The live instrument must not import this package; only the command line does.
"""
