"""Names of the files that `stccl measure --out` writes."""

TEXT = "measure.txt"
TABLE = "measure.csv"
PAIRS = "pairs.csv"
JSON = "measure.json"
LATEX = "measure.tex"
