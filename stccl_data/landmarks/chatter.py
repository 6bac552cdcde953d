"""What mediapipe's native code prints on stderr when it starts, told from what a user should see."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

#: absl's lines of information and warning, and TFLite's word of its delegate. Errors begin with E or F, or are of another form.
_CHATTER = re.compile(rb"[IW]\d{4} \d|INFO: |WARNING: (Logging before|All log messages before)")


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 in the block, and afterwards pass on every line that is not chatter.

    No setting of mediapipe's or absl's reaches these lines from Python. Where the block raises, all is passed on.
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
                if failed or not _CHATTER.match(line):
                    os.write(2, line)
