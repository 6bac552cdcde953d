"""The dataset card: README.md in OUT, with the metadata that Hugging Face reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stccl_data.corpora import CORPORA
from stccl_data.corpora.tables import table
from stccl_data.dataset.card_picture import write_card_picture
from stccl_data.dataset.layout import CARD, CARD_PICTURE
from stccl_data.files.atomic import write_text


class Licence(NamedTuple):
    """The terms of a source corpus, which bind shards made from it."""

    #: the licence tag of Hugging Face
    tag: str
    #: name of the corpus
    corpus: str
    terms: str


_PAPER = "The pairs and the metrics: Chen et al., STCCL, arXiv:2604.20226"

_PICTURE = f"""
![Moments of accepted pairs: above the source, below it the target at the same sound]({CARD_PICTURE})
"""

_OWN_LICENCE = Licence(
    "unknown",
    "own recordings",
    "whatever the speakers agreed to: fill this in before you share anything",
)


def write_card(
    out: Path, corpus: str, stats: Mapping[str, Any], features: str, gates: Mapping[str, float]
) -> None:
    """Write the dataset card and its picture into OUT, whose tables and shards are written.

    Args:
        out: folder of the dataset.
        corpus, stats, features, gates: as for `dataset_card`.

    Raises:
        ShardError: the tables or the shards cannot be read.
    """
    picture = write_card_picture(out)
    write_text(out / CARD, dataset_card(corpus, stats, features, gates, picture))


def dataset_card(
    corpus: str,
    stats: Mapping[str, Any],
    features: str,
    gates: Mapping[str, float],
    picture: bool,
) -> str:
    """Return the dataset card.

    Args:
        corpus: name of the corpus adapter.
        stats: the content of stats.json.
        features: from `card_features`.
        gates: the thresholds that the pairs passed, by name; empty if unknown.
        picture: whether the dataset has one for its card.
    """
    tag, name, terms = _licence(corpus)
    splits = [split for split, n in stats["shards"].items() if n]
    files = "".join(f"  - split: {split}\n    path: shards/{split}/*.tar\n" for split in splits)
    configs = f"configs:\n- config_name: default\n  data_files:\n{files}" if splits else ""
    emotions = ", ".join(f"{emotion} {n}" for emotion, n in stats["emotions"].items()) or "none"
    utterances = ", ".join(f"{n} {split}" for split, n in stats["utterances"].items() if n)
    speakers = ", ".join(f"{n} {split}" for split, n in stats["speakers"].items() if n) or "none"
    return f"""---
license: {tag}
pretty_name: Aligned paired-emotion utterances from {name}
tags:
- webdataset
- talking-face
- facial-expression-manipulation
- emotion
{configs}{features}---

# Aligned paired-emotion utterances from {name}

Made by [stccl](https://pypi.org/project/stccl/): clips in which one speaker says one sentence in two emotions, faces and
mouths cropped and stabilised, aligned in time.
{_PICTURE if picture else ""}
| what | how much |
|---|---|
| clips in accepted pairs | {stats["clips_by_state"].get("paired", 0)} of {stats["clips"]} found |
| accepted pairs | {stats["pairs_accepted"]} of {stats["pairs"]} candidates |
{_review(stats)}| speakers | {speakers} |
| utterances | {utterances or "none"} |
| emotions (clips) | {emotions} |
{_consents(stats)}| frames | {stats["frames"]} |
| hours | {stats["hours"]} |

```python
from datasets import load_dataset

dataset = load_dataset("THIS FOLDER", streaming=True)
```

`clips.parquet` and `pairs.parquet` list every clip and every candidate pair, those that were refused too, with the reason.
`provenance.json` says by which options and versions the dataset was made. `stccl report THIS_FOLDER` shows the pairs.

## How pairs were chosen

A pair is two clips of one speaker, view and sentence in two emotions. It was accepted if its scores pass every gate{_gates(gates)}
Splits are by speaker: nobody is in two of them.

## Known limits

- Emotions are as the corpus labels them; nobody rated them again.
- Alignment is automatic. Pauses and sounds that one of the clips lacks are where it errs most.
- The content check and the alignment were measured on English and German speech.
- The speakers are those of the corpus: their ages, origins and languages are not those of the world.

## Licence and consent

The source is {name}; its terms bind these shards: {terms}. The pictures show faces of people who agreed to the use that the
corpus describes, and to no other. Do not use them to identify anybody, or to make anybody seem to say or feel what they did not;
do not train what is meant to deceive. Mark what a model trained on them generates.

## Citing

- {_citation(corpus, name)}
- {_PAPER}
"""


def _consents(stats: Mapping[str, Any]) -> str:
    """Return the row of the table that counts consents; empty if none is recorded."""
    count = stats.get("consenting_speakers", 0)
    return f"| speakers with a recorded consent | {count} |\n" if count else ""


def _gates(gates: Mapping[str, float]) -> str:
    """Return the end of the sentence about the gates."""
    if not gates:
        return "; `provenance.json` has the thresholds."
    lines = "".join(f"| `{name}` | {value:g} |\n" for name, value in gates.items())
    return f":\n\n| gate | threshold |\n|---|---|\n{lines}"


def _citation(corpus: str, name: str) -> str:
    """Return the paper of the corpus, as `manifests/` has it."""
    facts = table(corpus) if corpus in CORPORA and corpus != "own" else {}
    return str(facts.get("citation", f"{name}: as its authors ask"))


def _review(stats: Mapping[str, Any]) -> str:
    """Return the line about pairs that people looked at; empty if nobody has."""
    if not (verdicts := stats.get("verdicts")):
        return ""
    return f"| looked at by people | {verdicts['keep']} kept, {verdicts['reject']} rejected |\n"


def _licence(corpus: str) -> Licence:
    """Return the licence in `manifests/`, or that of recordings of one's own."""
    if corpus not in CORPORA or corpus == "own":
        return _OWN_LICENCE
    facts = table(corpus)["licence"]
    return Licence(facts["tag"], facts["name"], facts["terms"])
