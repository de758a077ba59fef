"""Training of residual codecs: `verdigris train --model soundstream`.

Uses the networks of models.residual. Nothing live imports it.
"""
