"""Distilled students at ATARI games: scores, real time, films, a live page and a window.

Light until used; `snnrl play` is the command, docs/play.md tells what it does.
"""
