"""Run the `stccl` script by `python -m stccl_cli`, where scripts are not on the PATH."""

from .main import main

main()
