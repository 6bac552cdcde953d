"""Reading a prepared dataset: any utterance by its key, or all of a split as a stream.

>>> dataset = open_dataset("OUT")
>>> utterance = dataset["mead/M003/front/s009"]
>>> for pair in utterance.pairs(source="neutral", target="angry"):
...     source = pair.source.frames("face", [40, 41, 42])  # (3, 224, 224, 3) uint8 RGB
...     target = pair.target.frames("face", pair.frame_map[[40, 41, 42]])
"""

import difflib
import json
import os
import random
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from stccl_data.dataset.layout import INDEX, PAIRS, SCHEMA, SHARDS
from stccl_data.dataset.members import LoadedMembers, ShardError, TarMembers, check_size
from stccl_data.dataset.tables import read_table, table_errors
from stccl_data.dataset.tar import read_stream
from stccl_data.dataset.utterance import Decisions, Pair, Utterance, parse_utterance

#: Utterances among which a shuffled stream draws the next. An utterance of MEAD has 10 to 50 MB.
SHUFFLE_UTTERANCES = 8

#: suffix -> (offset, size) of a member's data in its tar.
Places = Mapping[str, tuple[int, int]]

_PART = re.compile(r"\+p\d+$")


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """A line of shards.json. `path` is relative to the dataset's folder; `sha256` in hexadecimal."""

    path: str
    split: str
    utterances: int
    bytes: int
    sha256: str


def open_dataset(out: str | Path) -> "Dataset":
    """The dataset that `stccl prepare` wrote into `out`. No shard is opened before something of it is asked for.

    Raises ShardError where the folder holds no finished dataset, or one of a newer schema.
    """
    return Dataset(out)


class Dataset:
    """A prepared dataset on disk. It holds no open file, may be used from many threads and sent to other processes.

    `path`: the folder. `shards`: what shards.json lists.
    """

    def __init__(self, out: str | Path) -> None:
        self.path = Path(out)
        self.shards = read_shard_list(self.path)
        self._shard_of_path = {shard.path: shard for shard in self.shards}
        self._lines: dict[str, bytes] = {}
        self._heads: dict[str, ShardInfo] = {}
        for number, line in enumerate(index_lines(self.path), start=1):
            key, split, shard = _index_head(line, f"{self.path / INDEX}, line {number}")
            info = self._shard_of_path.get(shard)
            if info is None or info.split != split:
                raise ShardError(
                    f"{self.path / INDEX}, line {number}: {shard} is no shard of {split} in {SHARDS}; {_ADVICE}"
                )
            if key in self._lines:
                raise ShardError(
                    f"{self.path / INDEX}, line {number}: the key {key} occurs twice; {_ADVICE}"
                )
            self._lines[key], self._heads[key] = line, info
        named = Counter(self._heads.values())
        for info in self.shards:
            if named[info] != info.utterances:
                raise ShardError(
                    f"{self.path / INDEX} names {named[info]} utterances of {info.path}, {SHARDS} says {info.utterances}; {_ADVICE}"
                )

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {len(self)} utterances in {len(self.shards)} shards)"

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, key: object) -> bool:
        return key in self._lines

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have shards, in the order of shards.json."""
        return tuple(dict.fromkeys(shard.split for shard in self.shards))

    def keys(self, split: str | None = None) -> list[str]:
        """The keys of a split (of all by default), in the order stored. Raises ValueError for a split that has no shard."""
        self._check_split(split)
        return [key for key, shard in self._heads.items() if split in (None, shard.split)]

    def split_of(self, key: str) -> str:
        """The split that the utterance is in. Raises KeyError."""
        return self._head(key).split

    def __getitem__(self, key: str) -> Utterance:
        """The utterance of this key; its labels are read now, everything else when it is asked for, by ranges of bytes.

        Raises KeyError for an unknown key, ShardError where the shard is missing, damaged or has been replaced.
        """
        shard = self._head(key)
        *_, places = index_entry(self._lines[key], f"{self.path / INDEX}: {key}")
        members = TarMembers(
            self.path / shard.path, str(self.path / shard.path), shard.bytes, places
        )
        return parse_utterance(key, members, self._decisions)

    def stream(self, split: str, shuffle: bool = False, seed: int = 0) -> Iterator[Utterance]:
        """Every utterance of a split once, read from the first byte of each shard to its last, through webdataset.

        shuffle: shards in an order drawn by `seed` (give the number of the epoch), and utterances among SHUFFLE_UTTERANCES
        others. In a torch DataLoader, or under torch.distributed, each reader gets shards of its own, as webdataset deals them
        out; with fewer shards than readers some get nothing, which a warning says. Each shard is compared with its size in
        shards.json before the first is read. Raises ValueError for an unknown split, ShardError for a damaged shard.
        """
        self._check_split(split)
        return _stream(
            self._whole(shard for shard in self.shards if shard.split == split),
            shuffle,
            seed,
            self._decisions,
        )

    def read(self, shards: Iterable[ShardInfo]) -> Iterator[Utterance]:
        """Every utterance of these shards in the order given, all of them to whoever asks: for readers that deal out shards by
        themselves. Otherwise as `stream`."""
        return _stream(self._whole(shards), False, 0, self._decisions, dealt=True)

    def _whole(self, shards: Iterable[ShardInfo]) -> list[Path]:
        """The shards' paths, each as long as shards.json says. Raises ShardError."""
        paths = []
        for shard in shards:
            path = self.path / shard.path
            try:
                check_size(path.stat().st_size, shard.bytes, str(path))
            except FileNotFoundError:
                raise ShardError(
                    f"{path} is missing; copy it again, or run `stccl prepare` again"
                ) from None
            paths.append(path)
        return paths

    def find_pair(self, source: str, target: str) -> Pair:
        """The pair of two clips, by their ids, accepted or refused. For one pair; to go through many, take utterances.

        Raises ShardError with a sentence for an unknown id (naming the nearest), for clips that are no pair and for a pair that
        could not be aligned (with the reason).
        """
        if self._pair_table is None:
            raise ShardError(
                f"{self.path / PAIRS} is missing, and pairs are found by it; open the utterance by its key"
            )
        import pyarrow.compute as pc

        table = self._pair_table.table
        rows = table.filter(
            pc.and_(pc.equal(table["source"], source), pc.equal(table["target"], target))
        ).to_pylist()
        if not rows:
            raise ShardError(self._why_no_pair(source, target))
        for key in self._parts(rows[0]["utterance"]):
            for pair in self[key].pairs(accepted=None):
                if (pair.source.clip_id, pair.target.clip_id) == (source, target):
                    return pair
        reason = rows[0]["reason"]
        why = (
            f"it was refused: {reason}"
            if reason
            else "its utterance is not in the shards; run `stccl verify`"
        )
        raise ShardError(f"{source} -> {target} has no alignment in the shards; {why}")

    def _why_no_pair(self, source: str, target: str) -> str:
        import pyarrow.compute as pc

        assert self._pair_table is not None
        table = self._pair_table.table
        known = {
            str(value)
            for side in ("source", "target")
            for value in table[side].unique().to_pylist()
        }
        for clip_id in (source, target):
            if clip_id not in known:
                return f"no pair of {self.path} has the clip {clip_id!r}{_nearest(clip_id, known)}"
        if table.filter(
            pc.and_(pc.equal(table["source"], target), pc.equal(table["target"], source))
        ).num_rows:
            return f"the pair is stored the other way round: source {target}, target {source}"
        partners = table.filter(pc.equal(table["source"], source))["target"].to_pylist()
        partners += table.filter(pc.equal(table["target"], source))["source"].to_pylist()
        return f"{source} and {target} are no pair: a pair is one sentence by one speaker{_nearest(target, partners)}"

    def _parts(self, utterance: str) -> list[str]:
        base = _PART.sub("", utterance)
        found = [base] if base in self._lines else []
        part = 2
        while f"{base}+p{part}" in self._lines:
            found.append(f"{base}+p{part}")
            part += 1
        return found

    @cached_property
    def _pair_table(self) -> "_PairTable | None":
        path = self.path / PAIRS
        return _PairTable(path) if path.exists() else None

    def _decisions(self, key: str) -> Decisions:
        return {} if self._pair_table is None else self._pair_table.decisions(_PART.sub("", key))

    def _head(self, key: str) -> ShardInfo:
        try:
            return self._heads[key]
        except KeyError:
            raise KeyError(
                f"{key!r} is no utterance of {self.path}{_nearest(key, self._heads)}"
            ) from None

    def _check_split(self, split: str | None) -> None:
        if split is not None and split not in self.splits:
            raise ValueError(
                f"{self.path} has no split {split!r}; it has {', '.join(self.splits) or 'none'}"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pair_table"}


def open_stream(
    urls: str | Path | Iterable[str | Path], shuffle: bool = False, seed: int = 0
) -> Iterator[Utterance]:
    """The utterances of tars that lie anywhere, without the tables beside them: paths, or URLs as webdataset opens them.

    urls: one or several; a str may hold braces (`http://host/stccl-train-{000000..000007}.tar`). As webdataset has it, a URL that
    begins with `pipe:` is a command that is run: give URLs that you trust. Otherwise as `Dataset.stream`, except that pairs are
    accepted as they were when the tars were written. Raises ShardError, at the latest at its end, for a tar that was cut short.
    """
    if isinstance(urls, str):
        from webdataset.shardlists import expand_urls

        urls = [str(url) for url in expand_urls(urls)]
    sources = [urls] if isinstance(urls, Path) else list(urls)
    return _stream(sources, shuffle, seed, None)


def _stream(
    sources: Sequence[str | Path],
    shuffle: bool,
    seed: int,
    decisions: Callable[[str], Decisions] | None,
    dealt: bool = False,
) -> Iterator[Utterance]:
    """dealt: the sources are this reader's own, and not to be divided among the readers there are."""
    import webdataset as wds

    # a path as a file: URL, so that no letter in it is taken for a scheme or a query
    urls = {
        path.resolve().as_uri() if isinstance(path, Path) else path: str(path) for path in sources
    }
    order = list(urls)
    if shuffle:
        random.Random(seed).shuffle(order)
    if not dealt:
        _warn_of_idle_readers(len(order))

    def members(opened: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for source in opened:
            with source["stream"] as stream:
                for member, data in read_stream(stream, urls[source["url"]]):
                    yield {"fname": member.name, "data": data, "__url__": source["url"]}
            yield {}  # the end of a shard is the end of a sample

    stages = [
        wds.SimpleShardList(order),
        *([] if dealt else [wds.split_by_node, wds.split_by_worker]),
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
            where = urls[sample["__url__"]]
            parts = {suffix: data for suffix, data in sample.items() if not suffix.startswith("__")}
            yield parse_utterance(sample["__key__"], LoadedMembers(where, parts), decisions)
    except (OSError, ValueError) as error:
        raise ShardError(
            f"{' '.join(str(part) for part in error.args)}: the shards cannot be read"
        ) from error


def _warn_of_idle_readers(shards: int) -> None:
    from webdataset.utils import pytorch_worker_info

    _, world, _, workers = pytorch_worker_info()
    if shards < world * workers:
        warnings.warn(
            f"{shards} shards for {world * workers} readers: some get nothing. "
            "Use fewer workers, or prepare with a smaller --shard-mb",
            stacklevel=3,
        )


class _PairTable:
    """pairs.parquet in memory, compact, and found by utterance."""

    _COLUMNS = ("utterance", "source", "target", "accepted", "reason")

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        table = read_table(
            path, self._COLUMNS, dictionary=("utterance", "source", "target", "reason")
        )
        with table_errors(path):
            plain = pc.replace_substring_regex(table["utterance"].cast(pa.string()), r"\+p\d+$", "")
        encoded = plain.fill_null("").combine_chunks().dictionary_encode()
        codes = np.asarray(encoded.indices)
        order = np.argsort(codes, kind="stable")
        self.table = table.unify_dictionaries().combine_chunks().take(order)
        found, starts = np.unique(codes[order], return_index=True)
        ends = [*starts[1:], len(order)][: len(starts)]
        keys = encoded.dictionary.to_pylist()
        self._rows = {
            keys[code]: (int(a), int(b)) for code, a, b in zip(found, starts, ends, strict=True)
        }

    def decisions(self, utterance: str) -> Decisions:
        start, end = self._rows.get(utterance, (0, 0))
        rows = self.table.slice(start, end - start).to_pylist()
        return {
            (row["source"], row["target"]): (bool(row["accepted"]), row["reason"]) for row in rows
        }


_ADVICE = "run `stccl verify`"

#: What JSON that is not as it should be raises, when it is read and when it is looked at.
_NO_RECORD = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


def read_shard_list(out: Path) -> tuple[ShardInfo, ...]:
    """What shards.json lists. Raises ShardError where there is none, where it is of a newer schema or not as stccl writes it."""
    path = out / SHARDS
    if not out.is_dir():
        raise ShardError(f"{out} is no folder")
    try:
        record = json.loads(path.read_bytes())
        if record["schema"] > SCHEMA:
            raise ShardError(
                f"{path} has schema {record['schema']}; this stccl reads up to {SCHEMA}: install a newer stccl"
            )
        root = os.path.realpath(out)
        return tuple(
            ShardInfo(
                _below(root, str(s["path"])),
                str(s["split"]),
                int(s["utterances"]),
                int(s["bytes"]),
                s["sha256"],
            )
            for s in record["shards"]
        )
    except FileNotFoundError:
        raise ShardError(
            f"{out} holds no finished dataset: {SHARDS} is missing; run `stccl prepare RAW {out}`"
        ) from None
    except (OSError, *_NO_RECORD) as error:
        raise ShardError(
            f"{path} is not as stccl writes it ({error!r}); run `stccl prepare` again"
        ) from None


def _below(root: str, path: str) -> str:
    """A path of shards.json, which has to stay within the dataset, links and all. Raises ValueError, ShardError."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or not path.endswith(".tar"):
        raise ValueError(f"{path!r} is no tar below the dataset's folder")
    if not Path(os.path.realpath(f"{root}/{path}")).is_relative_to(root):
        advice = "copy it there, or link to the dataset's folder as a whole"
        raise ShardError(
            f"{root}/{path} is a link that leads out of the dataset, and is not followed: {advice}"
        )
    return path


def index_lines(out: Path) -> list[bytes]:
    """The lines of index.jsonl. Raises ShardError."""
    try:
        return [line for line in (out / INDEX).read_bytes().split(b"\n") if line.strip()]
    except OSError as error:
        raise ShardError(
            f"{out / INDEX} cannot be read ({error.strerror}); run `stccl prepare` again"
        ) from None


def _index_head(line: bytes, where: str) -> tuple[str, str, str]:
    """key, split and shard of an index line, the long list of members left unread where it comes last, as we write it."""
    head, found, _ = line.partition(b'"members"')
    try:
        try:
            record = json.loads(head.rstrip(b", ") + b"}") if found else json.loads(line)
        except ValueError:
            record = json.loads(line)
        if "shard" not in record:
            record = json.loads(line)
        return str(record["key"]), str(record["split"]), str(record["shard"])
    except _NO_RECORD as error:
        raise ShardError(f"{where} is not as stccl writes it ({error!r}); {_ADVICE}") from None


def index_entry(line: bytes, where: str) -> tuple[str, str, str, Places]:
    """key, split, shard and members of an index line. Raises ShardError, naming `where`."""
    try:
        record = json.loads(line)
        places = {
            str(suffix): (int(offset), int(size))
            for suffix, (offset, size) in record["members"].items()
        }
        return str(record["key"]), str(record["split"]), str(record["shard"]), places
    except _NO_RECORD as error:
        raise ShardError(f"{where} is not as stccl writes it ({error!r}); {_ADVICE}") from None


def _nearest(word: str, known: Iterable[str]) -> str:
    """What may have been meant, as the end of a sentence; nothing where nothing is near."""
    wanted = set(re.split(r"[^A-Za-z0-9]+", word.lower()))
    alike = sorted(
        known, key=lambda name: (-len(wanted & set(re.split(r"[^A-Za-z0-9]+", name.lower()))), name)
    )[:200]
    near = difflib.get_close_matches(word, alike, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""
