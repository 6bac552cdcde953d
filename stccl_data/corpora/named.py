"""Corpora whose file names say everything: CREMA-D, EMO-DB, ESD, SAVEE, TESS, EmoV-DB, EMOVO.

What their names mean is data, `manifests/NAME.json`: `about`, `source` and `not_verified` are for
people, `licence` for the dataset card. Of the other keys, the first four are required:

- `name`, `example`: of the corpus and of a file, for messages.
- `stem`: pattern of a file name without its suffix. Its groups are the codes `speaker`, `emotion`,
  `sentence`, `level`, `take` (a letter) and `number`. Upper and lower case do not matter.
- `emotions`: code -> label.
- `folders`: code -> pattern of a folder, of which group 1, or else the whole name, is the code. The
  nearest folder that matches gives a code that the name lacks, and must not contradict the name.
- `required_folders`: codes that have to be in a folder as well.
- `speakers`: the codes, or code -> speaker. Any by default.
- `sentences`: the codes. Any by default.
- `common_sentences`: the codes that are one sentence in every emotion. The other codes mean another
  sentence in each emotion, so clips with them have no sentence.
- `levels`: code -> level.
- `numbering`: a number counts through the `sentences` (how many) of the first of its `emotions`,
  then of the next. The sentence belongs to the language of the speaker (`languages`).
- `defects`: file name without suffix -> why the clip is excluded.
- `min_share`: the share of all media files that must be clips of the corpus for it to be
  recognised, if its names are so short that other files may have them by chance.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from stccl_data.clip import Clip, slug
from stccl_data.corpora.checks import find_archives, find_duplicates, find_wrong_suffixes
from stccl_data.corpora.records import Finding, Listing
from stccl_data.corpora.sound import Media, match_sound
from stccl_data.corpora.tables import table
from stccl_data.corpora.tree import File, Tree
from stccl_data.errors import ClipError, Reason

NAMED_CORPORA = ("cremad", "emodb", "esd", "savee", "tess", "emovdb", "emovo")


class Labels(NamedTuple):
    """What the name of a file says."""

    speaker: str
    emotion: str
    #: None if the code means another sentence in each emotion
    sentence: str | None
    #: what the name has in place of the sentence, for the clip id
    spoken: str
    level: int
    take: int


@dataclass(frozen=True)
class NamedCorpus:
    """A corpus as `manifests/KEY.json` describes it. Codes of the tables are in lower case."""

    key: str
    name: str
    example: str
    stem: re.Pattern[str]
    folders: Mapping[str, re.Pattern[str]]
    required_folders: frozenset[str]
    #: None if any code is a speaker; likewise below
    speakers: Mapping[str, str] | None
    emotions: Mapping[str, str]
    sentences: frozenset[str] | None
    common_sentences: frozenset[str] | None
    levels: Mapping[str, int] | None
    numbering: Mapping[str, Any] | None
    defects: Mapping[str, str]
    min_share: float

    def count_matches(self, tree: Tree) -> int:
        """Count the clips of the corpus, to recognise it; 0 if they are too few (`min_share`)."""
        media = list(tree.media())
        count = sum(self._is_clip(tree, file) for file in media)
        return count if count >= self.min_share * len(media) else 0

    def read(self, tree: Tree) -> Listing:
        """List the clips and findings of a folder."""
        findings: list[Finding] = []
        media: list[tuple[Labels, File]] = []
        for file in tree.media():
            try:
                labels = self._parse(tree, file)
            except ClipError as error:
                findings.append(Finding(file.path, error.reason, error.detail))
                continue
            if defect := self.defects.get(file.stem.lower()):
                detail = f"{file.shown} is excluded: {defect}"
                findings.append(Finding(file.path, Reason.KNOWN_DEFECT, detail))
            else:
                media.append((labels, file))
        match = match_sound(
            [(labels, file) for labels, file in media if file.is_video],
            [(labels, file) for labels, file in media if not file.is_video],
        )
        findings += find_duplicates(tree, match.duplicates) + match.findings
        findings += find_wrong_suffixes(tree, lambda file: self._is_named(tree, file))
        findings += find_archives(tree)
        return Listing([self._clip(*item) for item in match.media.items()], findings)

    def _is_clip(self, tree: Tree, file: File) -> bool:
        if self.stem.fullmatch(file.stem) is None:  # quick, for folders with 200,000 other files
            return False
        try:
            self._parse(tree, file)
        except ClipError:
            return False
        return True

    def _is_named(self, tree: Tree, file: File) -> bool:
        """Whether a file is named like a clip, even if its codes are unknown or contradictory."""
        try:
            return self._codes(tree, file) is not None
        except ClipError:
            return True

    def _codes(self, tree: Tree, file: File) -> dict[str, str] | None:
        """Return the codes of a file by label; None if it is not named like a clip.

        Raises:
            ClipError: name and folder contradict each other, or the number is too high.
        """
        match = self.stem.fullmatch(file.stem)
        if match is None:
            return None
        codes = {label: code for label, code in match.groupdict().items() if code}
        if "number" in codes:
            codes |= self._number_codes(file, int(codes["number"]))
        for label, pattern in self.folders.items():
            code = _folder_code(tree, file, pattern)
            if code is None:
                if label in self.required_folders:
                    return None
            elif self._meaning(label, codes.setdefault(label, code)) != self._meaning(label, code):
                raise ClipError(
                    Reason.LABEL_CONFLICT,
                    f"{file.shown}: its name has {label} {codes[label]}, but its folder has {code}",
                )
        return codes if {"speaker", "emotion", "sentence"} <= codes.keys() else None

    def _number_codes(self, file: File, number: int) -> dict[str, str]:
        """Return the emotion and the sentence of a number. Raises ClipError."""
        assert self.numbering is not None
        block, sentence = divmod(number - 1, self.numbering["sentences"])
        emotions = self.numbering["emotions"]
        if not 0 <= block < len(emotions):
            raise ClipError(
                Reason.UNKNOWN_CODE, f"{file.shown}: {self.name} has no number {number}"
            )
        return {"emotion": emotions[block], "sentence": f"{sentence + 1:03d}"}

    def _meaning(self, label: str, code: str) -> str:
        """Return the speaker or emotion that a code stands for; the code itself if unknown."""
        known = self.emotions if label == "emotion" else self.speakers or {}
        return known.get(code.lower(), code)

    def _parse(self, tree: Tree, file: File) -> Labels:
        codes = self._codes(tree, file)
        if codes is None:
            article = "an" if self.name[0] in "AEIOU" else "a"
            raise ClipError(
                Reason.UNKNOWN_NAME,
                f"{file.shown} is not named like {article} {self.name} clip, "
                f"such as {self.example}",
            )
        known = {
            "speaker": self.speakers,
            "sentence": self.sentences,
            "emotion": self.emotions,
            "level": self.levels,
        }
        for label, codes_of_label in known.items():
            if codes_of_label is not None and codes[label].lower() not in codes_of_label:
                raise ClipError(
                    Reason.UNKNOWN_CODE, f"{file.shown}: {self.name} has no {label} {codes[label]}"
                )
        speaker, sentence = self._meaning("speaker", codes["speaker"]), codes["sentence"].lower()
        if self.numbering is not None:
            sentence = f"{self._language(speaker)}-{sentence}"
        is_common = self.common_sentences is None or sentence in self.common_sentences
        return Labels(
            speaker=speaker,
            emotion=self._meaning("emotion", codes["emotion"]),
            sentence=sentence if is_common else None,
            spoken=sentence if is_common else f"n{sentence}",
            level=1 if self.levels is None else self.levels[codes["level"].lower()],
            take=ord(codes["take"].lower()) - ord("a") + 1 if "take" in codes else 1,
        )

    def _language(self, speaker: str) -> str:
        assert self.numbering is not None
        languages: Mapping[str, list[str]] = self.numbering["languages"]
        return next(name for name, speakers in languages.items() if speaker in speakers)

    def _clip(self, labels: Labels, files: Media) -> Clip:
        emotion = f"{slug(labels.emotion)}-{labels.level}"
        spoken = f"{slug(labels.spoken)}-t{labels.take:03d}"
        return Clip(
            clip_id=f"{self.key}/{labels.speaker}/front/{emotion}/{spoken}",
            corpus=self.key,
            speaker=labels.speaker,
            emotion=labels.emotion,
            sentence=labels.sentence,
            path=files.path,
            audio_path=files.audio_path,
            level=labels.level,
            take=labels.take,
        )


@cache
def named_corpus(key: str) -> NamedCorpus:
    """Load one of `NAMED_CORPORA`."""
    facts = table(key)
    speakers = facts.get("speakers")
    if isinstance(speakers, list):
        speakers = {speaker: speaker for speaker in speakers}
    return NamedCorpus(
        key=key,
        name=facts["name"],
        example=facts["example"],
        stem=_pattern(facts["stem"]),
        folders={label: _pattern(text) for label, text in facts.get("folders", {}).items()},
        required_folders=frozenset(facts.get("required_folders", ())),
        speakers=_lower_keys(speakers),
        emotions=_lower_keys(facts["emotions"]) or {},
        sentences=_lower_set(facts.get("sentences")),
        common_sentences=_lower_set(facts.get("common_sentences")),
        levels=_lower_keys(facts.get("levels")),
        numbering=facts.get("numbering"),
        defects=_lower_keys(facts.get("defects")) or {},
        min_share=facts.get("min_share", 0.0),
    )


def _folder_code(tree: Tree, file: File, pattern: re.Pattern[str]) -> str | None:
    """Return the code in the nearest folder that matches, RAW included."""
    for folder in _folders(tree, file):
        if match := pattern.fullmatch(folder):
            return match[1] if pattern.groups else match[0]
    return None


def _folders(tree: Tree, file: File) -> Iterator[str]:
    yield from reversed(file.folder.parts)
    yield tree.root.name


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.ASCII)


def _lower_keys(codes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if codes is None else {code.lower(): value for code, value in codes.items()}


def _lower_set(codes: list[str] | None) -> frozenset[str] | None:
    return None if codes is None else frozenset(code.lower() for code in codes)
