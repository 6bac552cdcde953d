"""Leave out the clips whose content is not here, and say why."""

from dataclasses import replace

from stccl_data.clip import Clip
from stccl_data.corpora.checks import stub_finding
from stccl_data.corpora.records import Finding, Listing
from stccl_data.corpora.tree import File, Tree
from stccl_data.errors import Reason


def leave_out_stubs(tree: Tree, listing: Listing) -> Listing:
    """Replace each clip whose file is a stub by a finding, and unset each sound that is one.

    Only the selected clips are reported: somebody who fetched one view of a corpus does not want
    to hear of the others. A stub that no corpus explains is reported as a stub, too.

    Args:
        tree: the raw folder.
        listing: the selected clips, and the findings so far.
    """
    stubs = {file.path: file for file in tree.files if file.stub is not None}
    if not stubs:
        return listing
    clips: list[Clip] = []
    findings = [_as_stub(finding, stubs) for finding in listing.findings]
    for clip in listing.clips:
        sound = stubs.get(clip.audio_path or "")
        if file := stubs.get(clip.path):
            # Its sound, if it is here, is not used either.
            files = 2 if clip.audio_path is not None and sound is None else 1
            findings.append(_finding(file, clip, files=files))
        if sound:
            more = "" if file else f"; {clip.path} is used without it"
            findings.append(_finding(sound, clip, more))
        if not file:
            clips.append(replace(clip, audio_path=None) if sound else clip)
    return Listing(clips, findings)


def _finding(file: File, clip: Clip, more: str = "", files: int = 1) -> Finding:
    assert file.stub is not None
    return stub_finding(file, file.stub, more, clip_id=clip.clip_id, files=files)


def _as_stub(finding: Finding, stubs: dict[str, File]) -> Finding:
    """Say of an unknown file that it is a stub, since its name may be the least of its problems."""
    file = stubs.get(finding.path)
    if finding.reason is not Reason.UNKNOWN_NAME or file is None:
        return finding
    assert file.stub is not None
    return stub_finding(file, file.stub)
