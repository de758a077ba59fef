"""The rack: a musician's own effects before and after the codec. What an effect is stands in effect.py."""
