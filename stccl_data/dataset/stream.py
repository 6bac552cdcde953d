"""Utterances as a stream: whole shards read from the first byte to the last, through webdataset."""

import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stccl_data.dataset.members import LoadedMembers, ShardError
from stccl_data.dataset.sample_json import parse_utterance
from stccl_data.dataset.tar import read_stream
from stccl_data.dataset.utterance import Decisions, Utterance

#: Utterances among which a shuffled stream draws the next. An utterance of MEAD has 10 to 50 MB.
SHUFFLE_UTTERANCES = 8


def open_stream(
    urls: str | Path | Iterable[str | Path], shuffle: bool = False, seed: int = 0
) -> Iterator[Utterance]:
    """Stream utterances from tars anywhere, without the tables beside them.

    As in webdataset, a URL that begins with `pipe:` is a command that is executed: pass only URLs
    that you trust. Without tables, pairs are accepted as they were at the time of writing.

    Args:
        urls: one or several paths, or URLs as webdataset opens them. A str may contain braces:
            `http://host/stccl-train-{000000..000007}.tar`.
        shuffle: see `Dataset.stream`.
        seed: see `Dataset.stream`.

    Raises:
        ShardError: a tar is truncated or invalid; raised at its end at the latest.
    """
    if isinstance(urls, str):
        from webdataset.shardlists import expand_urls

        urls = [str(url) for url in expand_urls(urls)]
    sources = [urls] if isinstance(urls, Path) else list(urls)
    return stream_utterances(sources, shuffle, seed)


def stream_utterances(
    sources: Sequence[str | Path],
    shuffle: bool = False,
    seed: int = 0,
    decisions: Callable[[str], Decisions] | None = None,
    *,
    share: bool = True,
) -> Iterator[Utterance]:
    """Stream the utterances of some shards.

    Args:
        sources: paths, or URLs as webdataset opens them.
        shuffle: draw the order of shards by `seed`, and shuffle utterances in a buffer.
        seed: of the order.
        decisions: see `parse_utterance`.
        share: divide the shards among the readers (DataLoader workers, distributed processes), as
            webdataset does; if False, this reader gets all of them.

    Raises:
        ShardError: a shard is truncated or invalid.
    """
    import webdataset as wds

    # paths become file: URLs, so that no character of them is taken for a scheme or a query
    names = {
        path.resolve().as_uri() if isinstance(path, Path) else path: str(path) for path in sources
    }
    order = list(names)
    if shuffle:
        random.Random(seed).shuffle(order)
    if share:
        _warn_of_idle_readers(len(order))

    def members(opened: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for source in opened:
            with source["stream"] as stream:
                for member, data in read_stream(stream, names[source["url"]]):
                    yield {"fname": member.name, "data": data, "__url__": source["url"]}
            yield {}  # the end of a shard is the end of a sample

    stages = [
        wds.SimpleShardList(order),
        *([wds.split_by_node, wds.split_by_worker] if share else []),
        wds.tariterators.url_opener,
        members,
        wds.tariterators.group_by_keys,
    ]
    if shuffle:
        stages.append(
            wds.shuffle(SHUFFLE_UTTERANCES, initial=SHUFFLE_UTTERANCES, rng=random.Random(seed))
        )
    try:
        for sample in wds.DataPipeline(*stages):
            data = {name: value for name, value in sample.items() if not name.startswith("__")}
            shard = LoadedMembers(names[sample["__url__"]], data)
            yield parse_utterance(sample["__key__"], shard, decisions)
    except (OSError, ValueError) as error:
        details = " ".join(str(detail) for detail in error.args)
        raise ShardError(f"the shards cannot be read: {details}") from error


def _warn_of_idle_readers(shards: int) -> None:
    from webdataset.utils import pytorch_worker_info

    _, world, _, workers = pytorch_worker_info()
    if shards < world * workers:
        warnings.warn(
            f"{shards} shards for {world * workers} readers: some readers stay idle. "
            "Use fewer workers, or prepare with a smaller --shard-mb",
            stacklevel=3,
        )
