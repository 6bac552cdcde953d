"""Facts about each corpus as data: name codes, sentence numbering, known defects, named splits.

Each file describes itself (`about`) and its origin (`source`). `stccl_data.corpora.tables` reads
them.
"""
