"""What is known of each corpus, as data: the meaning of its names, its sentence numbering, its known defects, and named splits.

Each file says what it holds (`about`) and where it comes from (`source`). `stccl_data.corpora.tables` reads them.
"""
