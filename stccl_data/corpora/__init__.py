"""List the clips of a raw corpus by file names alone: one adapter per corpus, one `scan_corpus`."""

from stccl_data.corpora.records import Finding, Scan, ScanError
from stccl_data.corpora.scan import CORPORA, LAYOUTS, Corpus, scan_corpus

__all__ = ["CORPORA", "LAYOUTS", "Corpus", "Finding", "Scan", "ScanError", "scan_corpus"]
