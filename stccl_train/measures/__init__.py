"""Measure generated talking-face videos against their sources: the work of `stccl measure`.

One module for each group of measures (`lips`, `expression`, `realism`, `stccl`, `sync`,
`identity`), each with formula, range, direction and source; `measure` runs them over rows of clips
and control rows, and `report` writes the tables.
"""
