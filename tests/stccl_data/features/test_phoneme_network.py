"""The phoneme network: equal to hama's own library, whatever computes it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from stccl_data.features import phoneme_network
from stccl_data.features.phoneme_network import PhonemeModelError, load_phoneme_network
from tests.testing import speech as voice


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    samples, _ = voice.say("aisouesai", [0.15] * 9)
    return samples.astype(np.float32)


def test_it_equals_the_library_of_hama(sound):
    hama = pytest.importorskip("hama")
    try:
        session = hama.ASRModel().session
    except RuntimeError:
        pytest.skip("hama has no library for this machine")
    feeds = {"waveform": sound[None], "waveform_lengths": np.array([len(sound)], np.int64)}
    ((expected,),) = session.run(["log_probs"], feeds)
    computed = load_phoneme_network().log_probabilities(sound)
    assert computed.shape == expected.shape
    np.testing.assert_allclose(np.exp(computed), np.exp(expected), atol=0.005)
    likely = expected > -10
    np.testing.assert_allclose(computed[likely], expected[likely], atol=0.05)


@pytest.mark.parametrize(
    "setting", [{"OPENBLAS_NUM_THREADS": "2"}, {"OPENBLAS_CORETYPE": "Prescott"}]
)
def test_the_result_is_the_same_with_other_threads_and_processors(sound, setting):
    code = (
        "import sys, numpy as np; "
        "from stccl_data.features.phoneme_network import load_phoneme_network; "
        "sound = np.frombuffer(sys.stdin.buffer.read(), np.float32); "
        "sys.stdout.buffer.write(load_phoneme_network().log_probabilities(sound).tobytes())"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        input=sound.tobytes(),
        env={**os.environ, **setting},
        stdout=subprocess.PIPE,
        check=True,
    )
    computed = load_phoneme_network().log_probabilities(sound)
    other = np.frombuffer(process.stdout).reshape(computed.shape)
    np.testing.assert_allclose(computed, other, atol=1e-9)


def test_weights_of_another_version_are_refused(monkeypatch, tmp_path):
    package = tmp_path / "hama"
    (package / "assets").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "assets" / "asr_waveform.hama").write_bytes(b"HAMAPK of another version")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hama", raising=False)
    with pytest.raises(PhonemeModelError, match=r"asr_waveform.hama.*pip install"):
        phoneme_network._checked_weights()
