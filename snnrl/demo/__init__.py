"""A spiking agent to watch, push and teach: live on a page, or as a film.

`live.LiveAgent` is one agent that takes one environment step after the other. `process.Simulation` runs it in a
process of its own, paced by `pacing.Pace`; `page` shows its frames in browsers, `film` draws them without one.
"""
