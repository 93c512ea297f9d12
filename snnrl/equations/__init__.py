"""From equation text to plain statements: Brian2 parses, checks units and integrates; we only rearrange."""
