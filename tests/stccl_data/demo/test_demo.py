"""The demo corpus: detectable faces, a mouth that matches the truth, and reproducible files."""

import csv
import filecmp
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from skimage.data import astronaut
from stccl_cli.demo import command

from stccl_data.corpora import scan_corpus
from stccl_data.corpora.tables import mead_numbering
from stccl_data.demo import (
    ClipTruth,
    DemoCorpus,
    DemoError,
    draw_manipulated,
    load_corpus,
    render_corpus,
    select_clips,
    true_map,
)
from stccl_data.demo.layouts import MEAD_ACTORS, MEAD_SENTENCES, clip_name, layout_emotions
from stccl_data.demo.portrait_points import photograph_landmarks
from stccl_data.demo.vertices import (
    LEFT_CORNER,
    LEFT_EYE,
    LOWER_LIP,
    RIGHT_CORNER,
    RIGHT_EYE,
    UPPER_LIP,
)
from stccl_data.demo.visemes import VISEMES, mouth_track
from stccl_data.demo.voice import Phoneme
from stccl_data.errors import UsageError
from stccl_data.landmarks import open_landmarker

#: The middle of the outer edges of the lips.
LIP_TOP, LIP_BOTTOM = 0, 17


@pytest.fixture(scope="module")
def corpus(once: Callable[..., Any]) -> DemoCorpus:
    """The fairest and the darkest speaker, and the emotions whose mouths are hardest to read."""

    def render(folder: Path) -> DemoCorpus:
        emotions = ("neutral", "happy", "sad")
        return render_corpus(folder / "raw", "mead", ("W009", "W011"), emotions, (12,))

    result: DemoCorpus = once("demo", render)
    return result


@pytest.fixture(scope="module")
def detected(corpus: DemoCorpus) -> dict[str, list[list[np.ndarray]]]:
    """The faces that MediaPipe detects in each frame of each happy and sad clip.

    A face is (478, 2) float32, pixels.
    """
    landmarker = open_landmarker()
    emotional = [clip for clip in corpus.clips if clip.emotion != "neutral"]
    return {
        clip.path: [
            [face.points for face in faces]
            for faces in landmarker.detect(read_frames(corpus.folder / clip.path))
        ]
        for clip in emotional
    }


def read_frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def read_audio(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].time == 0
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def corner_height(face: np.ndarray) -> float:
    """Measure how far the mouth corners are above the middle of the lips, in eye distances."""
    across = face[RIGHT_EYE] - face[LEFT_EYE]
    down = np.array([-across[1], across[0]]) / np.linalg.norm(across)
    below = (face[LEFT_CORNER] + face[RIGHT_CORNER]) / 2 - (face[LIP_TOP] + face[LIP_BOTTOM]) / 2
    return float(-below @ down / np.linalg.norm(across))


def test_mediapipe_detects_one_face_in_every_frame(
    corpus: DemoCorpus, detected: dict[str, list[list[np.ndarray]]]
) -> None:
    for clip in (clip for clip in corpus.clips if clip.path in detected):
        assert [len(faces) for faces in detected[clip.path]] == [1] * clip.n_frames


def test_the_lip_opening_in_the_frames_matches_the_truth(
    corpus: DemoCorpus, detected: dict[str, list[list[np.ndarray]]]
) -> None:
    for clip in (clip for clip in corpus.clips if clip.path in detected):
        faces = np.array([faces[0] for faces in detected[clip.path]])
        gap = np.linalg.norm(faces[:, LOWER_LIP] - faces[:, UPPER_LIP], axis=1)
        measured = gap / np.linalg.norm(faces[:, RIGHT_EYE] - faces[:, LEFT_EYE], axis=1)
        by_lag = [
            np.corrcoef(measured[3 + lag : len(measured) - 3 + lag], clip.opening[3:-3])[0, 1]
            for lag in (-2, -1, 0, 1, 2)
        ]
        # 0.85 to 0.99, median 0.955, over eight speakers and eight emotions
        assert by_lag[2] > 0.8, clip.path
        assert np.argmax(by_lag) == 2, clip.path


def test_mouth_corners_are_higher_in_happy_clips_than_in_sad_ones(
    corpus: DemoCorpus, detected: dict[str, list[list[np.ndarray]]]
) -> None:
    for speaker in ("W009", "W011"):
        happy, sad = (
            np.mean(
                [
                    corner_height(faces[0])
                    for faces in detected[corpus.clip(speaker, emotion, 12).path]
                ]
            )
            for emotion in ("happy", "sad")
        )
        assert happy > sad + 0.05  # measured: 0.11 and 0.01


def test_a_clip_does_not_depend_on_the_other_clips_rendered(
    corpus: DemoCorpus, tmp_path: Path
) -> None:
    alone = render_corpus(
        tmp_path / "alone", speakers=("W011",), emotions=("sad",), sentences=(12,)
    ).clips[0]
    assert alone == corpus.clip("W011", "sad", 12)
    for file in (alone.path, alone.audio_path):
        assert filecmp.cmp(tmp_path / "alone" / str(file), corpus.folder / str(file), shallow=False)


def test_the_seed_changes_the_performance(corpus: DemoCorpus, tmp_path: Path) -> None:
    other = render_corpus(
        tmp_path / "other", speakers=("W009",), emotions=("sad",), sentences=(12,), seed=1, size=96
    ).clips[0]
    assert other.phonemes != corpus.clip("W009", "sad", 12).phonemes


def test_video_and_audio_have_one_length_and_the_speech_is_where_the_truth_says(
    corpus: DemoCorpus,
) -> None:
    for clip in corpus.clips:
        assert len(read_frames(corpus.folder / clip.path)) == clip.n_frames == len(clip.opening)
        for file in (clip.path, clip.audio_path):
            audio = read_audio(corpus.folder / str(file))
            assert audio.shape[0] == 2
            assert abs(audio.shape[1] / 48_000 - clip.n_frames / 25) < 0.03
            loud = np.flatnonzero(np.abs(audio[0]) > 0.02) / 48_000
            assert abs(loud[0] - clip.speech_start) < 0.03
            assert abs(loud[-1] - clip.speech_end) < 0.09
        assert 0.19 < clip.speech_start < 0.41
        assert 0.17 < clip.duration - clip.speech_end < 0.43


def test_a_voiceless_stop_begins_in_silence(corpus: DemoCorpus) -> None:
    """In `Please move the map from my table`, the p of `map` and the t of `table`."""
    for clip in corpus.clips:
        samples = read_audio(corpus.folder / clip.path)[0]
        stops = [
            b.start
            for a, b in pairwise(clip.phonemes)
            if b.symbol in "pt" and VISEMES[a.symbol][0].opening > 0.3
        ]
        assert len(stops) == 2
        for start in stops:
            inside = samples[round((start + 0.005) * 48_000) : round((start + 0.02) * 48_000)]
            assert np.sqrt(np.mean(inside**2)) < 0.25 * np.sqrt(np.mean(samples**2))


def test_the_lips_are_closed_in_the_middle_of_p_b_and_m_and_in_silence(corpus: DemoCorpus) -> None:
    closures = 0
    for clip in corpus.clips:
        for frame, opening in enumerate(clip.opening):
            time = frame / 25
            closed = any(
                p.start + 0.2 * (p.end - p.start) <= time <= p.start + 0.6 * (p.end - p.start)
                for p in clip.phonemes
                if p.symbol in "pbm"
            )
            if closed or time < clip.speech_start - 0.1 or time > clip.speech_end + 0.15:
                assert opening < 0.01
                closures += closed
        assert max(clip.opening) > 0.08
    assert closures > 10


def test_a_clip_drawn_with_another_expression_differs_in_the_expression_alone(
    corpus: DemoCorpus,
) -> None:
    clip = corpus.clip("W009", "neutral", 12)
    with av.open(str(corpus.folder / clip.path)) as film:
        shown = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    same, happy = (draw_manipulated(corpus.folder, clip, e) for e in ("neutral", "happy"))
    assert np.abs(same.astype(float) - shown).mean() < 4  # what the film's codec loses
    changed = np.abs(same.astype(float) - happy).mean((0, 3))
    lower_half, top = changed[140:200, 80:180], changed[:60]
    assert lower_half.mean() > 3 and top.mean() < 0.3


def test_emotions_differ_in_pace(corpus: DemoCorpus) -> None:
    for speaker in ("W009", "W011"):
        happy, neutral, sad = (
            corpus.clip(speaker, emotion, 12) for emotion in ("happy", "neutral", "sad")
        )
        lengths = [clip.speech_end - clip.speech_start for clip in (happy, neutral, sad)]
        assert lengths[0] < lengths[1] < lengths[2]


def test_phonemes_follow_one_another_without_gaps(corpus: DemoCorpus) -> None:
    for clip in corpus.clips:
        assert all(a.end == b.start and a.start < a.end for a, b in pairwise(clip.phonemes))
        assert (clip.phonemes[0].start, clip.phonemes[-1].end) == (
            clip.speech_start,
            clip.speech_end,
        )


def test_the_true_map_increases_from_start_to_end_of_the_speech(corpus: DemoCorpus) -> None:
    with (corpus.folder / "truth" / "pairs.csv").open() as table:
        pairs = list(csv.DictReader(table))
    assert len(pairs) == len(corpus.pairs) == 4
    clips = {clip.path: clip for clip in corpus.clips}
    for pair in pairs:
        source, target = clips[pair["source"]], clips[pair["target"]]
        assert (source.emotion, source.speaker, source.sentence) == (
            "neutral",
            target.speaker,
            target.sentence,
        )
        times = np.loadtxt(corpus.folder / pair["map"], delimiter=",", skiprows=1)
        assert (np.diff(times, axis=0) > 0).all()
        assert np.diff(times[:, 0]).max() <= 0.0101
        assert times[0] == pytest.approx([source.speech_start, target.speech_start])
        assert times[-1] == pytest.approx([source.speech_end, target.speech_end])
        # Both clips have the same phonemes, so every boundary is a knot.
        for p, q in zip(source.phonemes, target.phonemes, strict=True):
            assert np.interp(p.end, *times.T) == pytest.approx(q.end, abs=1e-5)


def test_the_true_map_is_not_linear(corpus: DemoCorpus) -> None:
    source, target = true_map(corpus.clip("W009", "neutral", 12), corpus.clip("W009", "sad", 12))
    linear = np.interp(source, source[[0, -1]], target[[0, -1]])
    assert np.abs(linear - target).max() > 0.02


def test_clips_of_two_sentences_have_no_true_map(corpus: DemoCorpus) -> None:
    clip = corpus.clips[0]
    values = {name: getattr(clip, name) for name in ClipTruth.__slots__}
    hum = ClipTruth(**(values | {"phonemes": (Phoneme("N", 0.0, 1.0),)}))
    with pytest.raises(ValueError, match=hum.path):
        true_map(clip, hum)


def test_load_corpus_returns_what_render_corpus_returned(corpus: DemoCorpus) -> None:
    assert load_corpus(corpus.folder) == corpus


def test_a_scan_of_the_mead_layout_lists_each_clip_with_its_sentence(corpus: DemoCorpus) -> None:
    scan = scan_corpus(corpus.folder)
    assert not scan.findings
    assert {(clip.speaker, clip.emotion, clip.level, clip.sentence) for clip in scan.clips} == {
        (clip.speaker, clip.emotion, clip.level, f"s{clip.sentence:03d}") for clip in corpus.clips
    }
    lines = (corpus.folder / "transcripts.txt").read_text().splitlines()
    assert len(lines) == len(corpus.clips)
    assert "W009_level_3_happy_021 Please move the map from my table." in lines


def test_mead_clip_numbers_agree_with_the_numbering() -> None:
    numbering = mead_numbering()
    for name in select_clips("mead", 8, layout_emotions("mead"), len(MEAD_SENTENCES)):
        assert (
            numbering[name.speaker, name.emotion, name.level, int(name.path.stem)]
            == f"s{name.sentence:03d}"
        )


def test_a_sentence_has_another_clip_number_in_another_emotion() -> None:
    assert (
        clip_name("mead", "M003", "neutral", 9).path.as_posix()
        == "M003/video/front/neutral/level_1/001.mp4"
    )
    assert (
        clip_name("mead", "M003", "disgusted", 9).path.as_posix()
        == "M003/video/front/disgusted/level_3/028.mp4"
    )
    assert clip_name("mead", "M003", "disgusted", 9).audio_path is not None
    assert MEAD_ACTORS[0] == "M003"


def test_the_ravdess_layout_uses_the_names_of_ravdess(tmp_path: Path) -> None:
    corpus = render_corpus(
        tmp_path, "ravdess", ("02",), ("neutral", "calm"), 1, size=96, fps="30000/1001"
    )
    assert [clip.path for clip in corpus.clips] == [
        "Actor_02/01-01-01-01-01-01-02.mp4",
        "Actor_02/01-01-02-02-01-01-02.mp4",
    ]
    assert [clip.audio_path for clip in corpus.clips] == [None, None]
    with av.open(str(tmp_path / corpus.clips[0].path)) as container:
        assert str(container.streams.video[0].average_rate) == corpus.clips[0].fps == "30000/1001"
    scan = scan_corpus(tmp_path)
    assert (scan.corpus, len(scan.clips), scan.findings) == ("ravdess", 2, ())


def test_repetitions_are_separate_takes() -> None:
    names = select_clips("ravdess", 1, ("happy",), 1, 2)
    assert [name.path.stem for name in names] == ["01-01-03-02-01-01-01", "01-01-03-02-01-02-01"]


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"layout": "grid"}, "grid"),
        ({"speakers": 9}, "speakers.*1 to 8"),
        ({"speakers": ("M999",)}, "M999"),
        ({"emotions": ("calm",)}, "calm"),
        ({"emotions": ()}, "emotions"),
        ({"sentences": (4,)}, "sentences.*4"),
        ({"repetitions": 2}, "2 repetitions"),
        ({"size": 101}, "101"),
        ({"fps": "fast"}, "fast"),
        ({"fps": 500}, "500"),
    ],
)
def test_an_invalid_option_is_rejected(tmp_path: Path, options: dict, value: str) -> None:
    with pytest.raises(DemoError, match=value):
        render_corpus(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_other_files_is_rejected_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert isinstance(result.exception, UsageError) and str(tmp_path) in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_rendering_again_removes_only_the_earlier_demo(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "--speakers", "M003", "--sentences", "2,", "--size", "96"]
    runner = CliRunner()
    assert runner.invoke(command, [*arguments, "--emotions", "happy"]).exit_code == 0
    (tmp_path / "notes.txt").write_text("mine")
    result = runner.invoke(command, [*arguments, "--emotions", "neutral"])
    assert result.exit_code == 0
    assert "1 clip (" in result.output
    assert f"stccl prepare {tmp_path} OUT" in result.output
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mp4")] == [
        "M003/video/front/neutral/level_1/036.mp4"
    ]
    assert json.loads((tmp_path / "truth" / "demo.json").read_text())["made_by"] == "stccl demo"


def test_every_phoneme_of_the_sentences_has_a_viseme(corpus: DemoCorpus) -> None:
    assert {p.symbol for clip in corpus.clips for p in clip.phonemes} <= {*VISEMES, "_"}


def test_an_open_vowel_opens_the_mouth_wider_than_a_close_vowel() -> None:
    phonemes = [
        Phoneme("m", 0.0, 0.1),
        Phoneme("A:", 0.1, 0.3),
        Phoneme("b", 0.3, 0.4),
        Phoneme("u:", 0.4, 0.6),
    ]
    track = mouth_track(phonemes, np.array([-1.0, 0.05, 0.2, 0.35, 0.5, 2.0]))
    assert track.opening == pytest.approx([0, 0, 1, 0, 0.22, 0])
    assert track.spread[4] == pytest.approx(-1)


def test_the_stored_landmarks_match_the_photograph() -> None:
    photograph = astronaut()
    (face,) = open_landmarker().detect(
        [np.ascontiguousarray(np.kron(photograph[0:240, 100:340], np.ones((4, 4, 1), np.uint8)))]
    )[0]
    assert np.abs(face.points[:468] / 4 + [100, 0] - photograph_landmarks()[:, :2]).max() < 2
