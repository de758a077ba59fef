"""Token language model of swift: probabilities of the next frame, and a continuation of what was
heard.

Knows the tokens and books of swift. Must not know sound devices, slots, parameters or torch.
"""
