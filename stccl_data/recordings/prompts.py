"""Plan a recording: which lines are spoken in which emotions, and a page that shows them.

Lines are chosen so that they have as many of the phonemes of English as they can, and mouth shapes
in the same shares in each emotion, since every emotion says the same lines.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stccl_data.clip import emotion_label
from stccl_data.corpora.manifest_writer import write_manifest
from stccl_data.errors import UsageError
from stccl_data.files.atomic import write_text
from stccl_data.recordings.beeps import BEEP_S, PITCHES
from stccl_data.recordings.mouth_shapes import count_mouth_shapes
from stccl_data.recordings.pronunciation import CLASSES, COLUMN, pronounce

#: Names of the files of a plan.
SCRIPT, PAGE = "script.csv", "prompts.html"

#: Lines of our own, short enough to say in one breath.
LINES = (
    "We should measure the garage before Thursday.",
    "Both of the boys enjoy chewing gum.",
    "The huge beige house is near the river.",
    "Please watch those sheep on the path.",
    "My father gave me a good leather jacket.",
    "She usually sings while she is cooking.",
    "You could hear thunder through the open window.",
    "How much are the oranges and the fresh juice?",
    "A young man put the book on the shelf.",
    "They have joined us for breakfast twice.",
    "I saw a yellow bird above the town.",
    "The judge thought that we were voting.",
    "Our team has a plan for the new year.",
    "Keep the change, and bring back some milk.",
    "Five people walked home in the warm rain.",
    "There was a loud noise outside the shop.",
    "He asked which of the two was cheaper.",
    "Nobody knew why the child was laughing.",
    "The coach pushed the door with both hands.",
    "Choose a quiet place and wait for me.",
    "Half of the fruit fell into the mud.",
    "It is a pleasure to drive on this road.",
    "Give them the blue cup and the small spoon.",
    "Where did you buy that ugly green shirt?",
)


class PromptError(UsageError):
    """Prompts cannot be made as requested."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is to be recorded, in order."""

    #: emotion and text of each take
    takes: tuple[tuple[str, str], ...]
    #: English phonemes that no line has
    missing: tuple[str, ...]
    #: how often the lines have each mouth shape, the rarest first
    mouth_shapes: Mapping[str, int]


def make_prompts(
    sentences: int, emotions: Sequence[str], takes: int = 1, lines: Sequence[str] = LINES
) -> Prompts:
    """Choose lines, and put them in order: one emotion after the other, all lines in each.

    Args:
        sentences: number of lines.
        emotions: in the order of recording.
        takes: of each line in each emotion, one after the other.
        lines: to choose from.

    Raises:
        PromptError: there are too few lines, or an emotion is invalid or given twice.
        PronunciationError: a line has a word whose phonemes are not known.
    """
    if not 1 <= sentences <= len(lines):
        raise PromptError(
            f"{sentences} sentences: there are 1 to {len(lines)} lines to choose from"
        )
    try:
        labels = [emotion_label(emotion) for emotion in emotions]
    except ValueError as error:
        raise PromptError(str(error)) from error
    if len(set(labels)) < len(labels) or len(labels) < 2:
        raise PromptError("give at least two different emotions: pairs join two")
    chosen = _choose(sentences, lines)
    spoken = Counter(c for line in chosen for c in _phonemes(line))
    missing = tuple(name for name in CLASSES if COLUMN[name] not in spoken)
    order = [(e, text) for e in labels for text in chosen for _ in range(takes)]
    return Prompts(tuple(order), missing, count_mouth_shapes(spoken))


def _choose(count: int, lines: Sequence[str]) -> list[str]:
    """Choose lines one by one, each the one that adds most to the phonemes that are rare so far."""
    phonemes = {line: Counter(_phonemes(line)) for line in lines}
    spoken: Counter[int] = Counter()
    chosen: list[str] = []
    for _ in range(count):
        rest = [line for line in lines if line not in chosen]
        best = max(rest, key=lambda line: sum(1 / (1 + spoken[c]) ** 2 for c in phonemes[line]))
        chosen.append(best)
        spoken += phonemes[best]
    return chosen


def _phonemes(line: str) -> list[int]:
    return [column for word in pronounce(line) for column in word.pronunciations[-1]]


def write_prompts(prompts: Prompts, folder: Path) -> tuple[Path, Path]:
    """Write `script.csv`, which `stccl segment` reads, and `prompts.html`, which shows the lines.

    Returns:
        Their paths.
    """
    rows = dict.fromkeys(prompts.takes)  # takes of one row follow each other
    script, page = folder / SCRIPT, folder / PAGE
    write_manifest(script, [{"text": text, "emotion": emotion} for emotion, text in rows])
    pitch = {row: PITCHES[number % len(PITCHES)] for number, row in enumerate(rows)}
    takes = [{"emotion": row[0], "text": row[1], "pitch": pitch[row]} for row in prompts.takes]
    data = json.dumps(takes, ensure_ascii=False).replace("<", "\\u003c")
    write_text(page, _PAGE.replace("BEEP_S", str(BEEP_S)).replace("TAKES", data))
    return script, page


_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Prompts</title>
<style>
  html, body { height: 100%; margin: 0; background: #111; color: #eee; font: 6vw/1.25 sans-serif; }
  body { display: flex; flex-direction: column; justify-content: center; text-align: center; }
  body.flash { background: #fff; }
  #emotion { font-size: 4vw; color: #fb4; }
  #text { margin: 2vh 6vw; }
  #place, #help { font-size: 1.6vw; color: #999; }
</style>
<div id="emotion">space: next, left: back, r: again, f: full screen</div>
<div id="text">Press the space bar to begin.</div>
<div id="place"></div>
<script id="takes" type="application/json">TAKES</script>
<script>
  const takes = JSON.parse(document.getElementById("takes").textContent);
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  let number = -1, timers = [], sound = null;
  function beep(pitch) {
    sound = sound || new AudioContext();
    const tone = sound.createOscillator();
    tone.frequency.value = pitch;
    tone.connect(sound.destination);
    tone.start();
    tone.stop(sound.currentTime + BEEP_S);
    document.body.className = "flash";
    setTimeout(() => { document.body.className = ""; }, 150);
  }
  function present() {
    timers.forEach(clearTimeout);
    const take = takes[number];
    if (!take) { show("emotion", ""); show("text", "Thank you. That was all."); return; }
    show("place", `${number + 1} of ${takes.length}`);
    show("text", take.text);
    timers = [3, 2, 1].map((count, i) =>
      setTimeout(() => show("emotion", `${take.emotion} · ${count}`), 700 * i));
    timers.push(setTimeout(() => { beep(take.pitch); show("emotion", take.emotion); }, 2100));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === " ") number = Math.min(number + 1, takes.length);
    else if (event.key === "ArrowLeft") number = Math.max(number - 1, 0);
    else if (event.key === "f") { document.documentElement.requestFullscreen(); return; }
    else if (event.key !== "r" || number < 0) return;
    event.preventDefault();
    present();
  });
</script>
</html>
"""
