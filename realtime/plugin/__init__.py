"""The insert: a small native plug-in (LV2 and CLAP) that is the host side of a timeline in somebody's DAW."""
