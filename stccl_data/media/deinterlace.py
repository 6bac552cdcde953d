"""Turn interlaced frames into progressive ones, one for one."""

from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Literal

from av import error
from av.filter import Graph

from stccl_data.media.fields import ScanDetector

#: What FFmpeg is told about the frames: their field order, or to believe each frame's flags.
_Order = Literal["tff", "bff", "auto"]

_ORDERS: dict[str, _Order] = {"top first": "tff", "bottom first": "bff"}

#: Frames that are looked at before the first one is given out, so that a clip is treated in one
#: way from its start; fewer if they are large.
_LOOKAHEAD = 8
_LOOKAHEAD_PIXELS = 8 * 1920 * 1080
#: After the first ones, three of as many frames are looked at.
_INTERVAL = 12

#: Pixels. FFmpeg refuses smaller frames, which only damaged headers have.
_MIN_SIDE = 16

_DEINTERLACED = "interlaced frames deinterlaced"
_UNFLAGGED = "interlaced frames without a flag deinterlaced"
_PROGRESSIVE = "progressive frames flagged as interlaced kept"

_Timed = tuple[Any, float]


class Deinterlacer:
    """Deinterlaces the frames of a clip that are interlaced, and no others.

    FFmpeg's bwdif interpolates the missing lines of each frame's first field from its neighbours
    in space and time. It gives one frame a frame (not one a field): the times stay. Where the
    picture itself tells how it is scanned, that counts; flags are often wrong, and recordings of
    progressive cameras in an interlaced format would lose half of their lines. Elsewhere the flags
    count.
    """

    def __init__(self) -> None:
        """Start a clip."""
        #: What was done so far, see `stccl_data.extract.Extraction.notes`.
        self.notes: tuple[str, ...] = ()
        self._detector = ScanDetector()
        self._flagged = False  # any frame so far
        self._graph: Graph | None = None
        self._key: tuple[_Order, int, int, str] | None = None  # what the graph was made for
        self._times: deque[float] = deque()  # of the frames inside the graph

    def frames(self, frames: Iterator[_Timed]) -> Iterator[_Timed]:
        """Deinterlace PyAV frames in the order in which they are shown.

        Args:
            frames: each with its time.

        Yields:
            As many frames as come in, each with the same time.
        """
        first = list(islice(frames, 1))
        if not first:
            return
        fitting = _LOOKAHEAD_PIXELS // max(1, first[0][0].width * first[0][0].height)
        first += islice(frames, min(_LOOKAHEAD, fitting) - 1 if fitting > 1 else 0)
        for frame, _ in first:
            self._detector.add(frame)
            self._flagged |= frame.interlaced_frame
        for number, (frame, time) in enumerate(chain(first, frames), -len(first)):
            if number >= 0:
                self._look(number, frame)
            yield from self._treat(frame, time)
        yield from self._finish()

    def _look(self, number: int, frame: Any) -> None:
        """Look at some of the frames after the first ones."""
        if number % _INTERVAL < 3:
            self._detector.add(frame)
        else:
            self._detector.skip()

    def _treat(self, frame: Any, time: float) -> Iterator[_Timed]:
        order = self._order(frame)
        if order is None:
            yield from self._finish()
            yield frame, time
            return
        key = (order, frame.width, frame.height, frame.format.name)
        if key != self._key:
            yield from self._finish()
            self._key, self._graph = key, _open_graph(frame, order)
        graph: Any = self._graph
        self._times.append(time)
        graph.vpush(frame)
        yield from self._ready()

    def _order(self, frame: Any) -> _Order | None:
        """Return the field order of a frame; None if it is to be kept as it is."""
        scan, flagged = self._detector.scan, frame.interlaced_frame
        self._flagged |= flagged
        if not flagged and (self._flagged or scan not in _ORDERS):
            return None  # in a stream of both kinds, flags are right
        if min(frame.width, frame.height) < _MIN_SIDE:
            return None
        if scan == "progressive":
            self._note(_PROGRESSIVE)
            return None
        self._note(_DEINTERLACED if flagged else _UNFLAGGED)
        return _ORDERS.get(scan or "", "auto")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes = (*self.notes, note)

    def _finish(self) -> Iterator[_Timed]:
        """Yield the frames that the graph still holds, and close it."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()
        self._graph = self._key = None

    def _ready(self) -> Iterator[_Timed]:
        graph: Any = self._graph
        while self._times:
            try:
                frame = graph.vpull()
            except (error.BlockingIOError, error.EOFError):
                return
            yield frame, self._times.popleft()


def _open_graph(frame: Any, order: _Order) -> Graph:
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base,
        ),
        graph.add("setfield", order),
        graph.add("bwdif", mode="send_frame", parity="auto", deint="interlaced"),
        graph.add("buffersink"),
    ).configure()
    return graph
