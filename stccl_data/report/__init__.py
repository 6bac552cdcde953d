"""Reports that people look at: pages of a dataset that open from disk, without a server.

Each report is a folder with an `index.html`. The templates are in `templates/`, the style and the
script in `assets/`; charts are drawn by plotly.js, which is copied from the package `plotly`.
"""

from stccl_data.report.dataset_report import ReportConfig, ReportResult, write_dataset_report

__all__ = ["ReportConfig", "ReportResult", "write_dataset_report"]
