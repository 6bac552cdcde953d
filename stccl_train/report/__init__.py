"""The report of a training run, in the pages of `stccl_data.report`."""

from stccl_train.report.measure_report import write_measure_report
from stccl_train.report.run_report import write_run_report

__all__ = ["write_measure_report", "write_run_report"]
