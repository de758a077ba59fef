"""TorchScript modules that musicians own: exports for nn~ (`.ts`, RAVE and others) and Neutone (`.nm`).

Such a file is a program. It runs in a process without the right to write or to reach the network
(`confinement`, `server`), once the user has consented to it (`trust`) and its archive has been
searched (`archive`). Only that process imports torch.
"""
