"""A TFLite network, run by LiteRT on one core."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks.loading import loading


class Network:
    """Runs a network with one input, again and again."""

    def __init__(self, name: str, model: bytes, input_shape: Sequence[int]) -> None:
        """Load a network.

        Args:
            name: for messages.
            model: a TFLite model.
            input_shape: the shape that its input must have.

        Raises:
            ModelError: ai-edge-litert or the model cannot be loaded.
        """
        otherwise = "; where it has no build, --landmarks mediapipe-tasks needs none"
        with loading("ai-edge-litert", name, otherwise=otherwise):
            from ai_edge_litert.interpreter import Interpreter

            # one process per core: a second thread would share the core of another process
            self._interpreter: Any = Interpreter(model_content=model, num_threads=1)
            self._interpreter.allocate_tensors()
            (entry,) = self._interpreter.get_input_details()
            if tuple(entry["shape"]) != tuple(input_shape):
                raise ValueError(f"its input is {tuple(entry['shape'])}")
            self._input: int = entry["index"]
            outputs = self._interpreter.get_output_details()
            self._outputs = {output["name"]: output["index"] for output in outputs}
            self._interpreter.invoke()  # starts XNNPACK, which logs

    def run(self, values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run the network once.

        Args:
            values: float32 of `input_shape`.

        Returns:
            Its outputs by name.
        """
        self._interpreter.set_tensor(self._input, values)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}
