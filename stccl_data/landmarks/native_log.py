"""Hide what mediapipe's native code logs on stderr at start, but not its errors."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

#: absl's info and warning lines, and TFLite's line about its delegate. Errors begin with E or F, or
#: have another form.
_NOISE = re.compile(rb"[IW]\d{4} \d|INFO: |WARNING: (Logging before|All log messages before)")


@contextmanager
def hide_native_log() -> Iterator[None]:
    """Hold back what the block writes to file descriptor 2, then pass on all but the noise.

    If the block raises, everything is passed on. No setting of mediapipe or absl that can be
    reached from Python suppresses these lines.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # closed: nobody reads it, and Python has no sys.stderr
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if failed or not _NOISE.match(line):
                    os.write(2, line)
