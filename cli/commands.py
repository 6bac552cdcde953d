"""Every command: its group, what it does in one line, and an example. Imports no command."""

from typing import NamedTuple


class Entry(NamedTuple):
    """How a command is presented."""

    help: str
    example: str


#: What a person wants to do -> the commands for it, in the order in which they are needed.
GROUPS = {
    "Try it": {
        "doctor": Entry("Check that this machine has everything stccl needs.", "doctor"),
        "demo": Entry(
            "Render a small paired-emotion corpus with known ground truth.", "demo demo/raw"
        ),
    },
    "Make a dataset": {
        "prompts": Entry(
            "Plan a recording: a balanced script, and a page that shows it line by line.",
            "prompts PLAN --emotions neutral,happy,angry",
        ),
        "manifest": Entry(
            "Write a manifest from the labels in the paths of files.",
            "manifest CLIPS --pattern '{speaker}/{emotion}_{sentence}.mp4'",
        ),
        "segment": Entry(
            "Find the lines of a script in long recordings, and write a manifest.",
            "segment anna.mp4 --script lines.txt -o anna.csv",
        ),
        "label": Entry(
            "Propose sentence ids for clips of a manifest that have none.",
            "label manifest.csv -o labelled.csv",
        ),
        "scan": Entry(
            "List the contents of a raw corpus, without reading a frame.", "scan /data/MEAD"
        ),
        "prepare": Entry(
            "Make webdataset shards of aligned pairs from raw videos.", "prepare /data/MEAD OUT"
        ),
        "status": Entry("Show the progress of a run, from any terminal.", "status OUT"),
        "merge": Entry("Write the dataset of a finished job array.", "merge OUT"),
        "withdraw": Entry(
            "Remove a speaker from a dataset: shards, tables and every cached artefact.",
            "withdraw OUT anna",
        ),
        "upgrade": Entry(
            "Rewrite a dataset of an earlier schema in the present one.", "upgrade OUT"
        ),
    },
    "Look at it": {
        "report": Entry(
            "Write pages about a dataset, a run or a measurement to look at.", "report OUT"
        ),
        "review": Entry("Keep or reject pairs by eye, in a browser on this machine.", "review OUT"),
        "info": Entry("Summarise a prepared dataset.", "info OUT"),
        "coverage": Entry(
            "Say what a dataset lacks: takes to record and why, minutes, phonemes.", "coverage OUT"
        ),
        "verify": Entry("Check every byte and rule of a prepared dataset.", "verify OUT"),
        "preview": Entry(
            "Write a side-by-side video of an aligned pair.",
            "preview OUT --key mead/M030/front/s009 --emotion angry -o angry.mp4",
        ),
        "align": Entry(
            "Align two clips in time by dynamic time warping.",
            "align A.mp4 B.mp4 --plot path.png",
        ),
    },
    "Train and use a metric": {
        "train": Entry("Train the correlation metric on a prepared dataset.", "train OUT RUN"),
        "eval": Entry("Evaluate a trained metric on held-out speakers.", "eval RUN OUT"),
        "score": Entry(
            "Score how well one clip keeps the speech of another.",
            "score A.mp4 B.mp4 --run RUN",
        ),
        "measure": Entry(
            "Measure generated clips against their sources.", "measure SOURCES GENERATED"
        ),
    },
    "Exchange with others": {
        "pairs": Entry(
            "Audit or import a published pair file; filter a dataset's pairs again.",
            "pairs refilter OUT --min-content-score 0.9",
        ),
        "export": Entry(
            "Write a dataset's pairs in the forms that existing trainers read.",
            "export OUT --form aligned-path pairs.json",
        ),
        "export-metric": Entry(
            "Write a trained metric in forms that other code bases use.",
            "export-metric RUN EXPORTED",
        ),
    },
    "Your shell": {
        "completion": Entry(
            "Print the script that completes commands in your shell.",
            "completion bash >> ~/.bashrc",
        ),
    },
}

#: The commands by name.
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}
