"""Turn interlaced frames into progressive ones, one for one."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from av import error
from av.filter import Graph

_NOTES = ("interlaced frames deinterlaced",)


class Deinterlacer:
    """Deinterlaces the frames of a clip that are flagged as interlaced, and no others.

    FFmpeg's bwdif interpolates the missing lines of each frame's first field from its neighbours
    in space and time. It gives one frame a frame (not one a field): the times stay.
    """

    def __init__(self) -> None:
        """Start a clip."""
        #: What was done so far, see `stccl_data.extract.Extraction.notes`.
        self.notes: tuple[str, ...] = ()
        self._graph: Graph | None = None
        self._format: tuple[int, int, str] | None = None
        self._times: deque[float] = deque()  # of the frames inside the graph

    def frames(self, frames: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
        """Deinterlace PyAV frames in the order in which they are shown.

        Args:
            frames: each with its time.

        Yields:
            As many frames as come in, each with the same time.
        """
        for frame, time in frames:
            if self._graph is None and not frame.interlaced_frame:
                yield frame, time
                continue
            if self._format != _format(frame):
                yield from self._finish()
                self._format, self._graph = _format(frame), _open_graph(frame)
            self.notes = _NOTES
            self._times.append(time)
            self._graph.vpush(frame)  # type: ignore[union-attr]
            yield from self._ready()
        yield from self._finish()

    def _finish(self) -> Iterator[tuple[Any, float]]:
        """Yield the frames that the graph still holds."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()

    def _ready(self) -> Iterator[tuple[Any, float]]:
        graph: Any = self._graph
        while self._times:
            try:
                frame = graph.vpull()
            except (error.BlockingIOError, error.EOFError):
                return
            yield frame, self._times.popleft()


def _format(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def _open_graph(frame: Any) -> Graph:
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base,
        ),
        graph.add("bwdif", mode="send_frame", parity="auto", deint="interlaced"),
        graph.add("buffersink"),
    ).configure()
    return graph
