"""Metrics of tones, attacks, stereo and envelopes: `judge(reference, degraded)` returns `Scores`.

Unlike mel distances and ViSQOL, they show partials that became noise, and hits 20 ms early. Imports
numpy only.
"""

from models.training.judge.scores import Scores, judge, mean_scores

__all__ = ["Scores", "judge", "mean_scores"]
