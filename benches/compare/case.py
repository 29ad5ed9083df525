"""A case as `bench --export` has written it."""
import numpy as np
from safetensors.numpy import load_file


class Case:
    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def weights(self): return load_file(f"{self.folder}/{self.name}.weights.safetensors")
    def tensors(self): return load_file(f"{self.folder}/{self.name}.tensors.safetensors")
    def trains(self): return self.name.startswith("W8")

    def inputs(self):
        """What it is given, without masks: they are all true."""
        tensors = self.tensors()
        given = (tensors[f"in.{i}"] for i in range(8) if f"in.{i}" in tensors)
        return [x for x in given if x.dtype != np.bool_]

    def cache(self):
        # In the order that tract, which is given inputs by number, has them too.
        tensors = self.tensors()
        return {name: tensors[name] for name in sorted(tensors) if name.startswith("state.") and tensors[name].shape[2]}

    def cached(self): return next((value.shape[2] for value in self.cache().values()), 0)
    def result(self): return self.tensors()["out.0"]

    def error(self, result):
        """The largest difference from Tancho's result, by the largest number of the row, or of the image."""
        wanted, result = self.result(), np.asarray(result, np.float32)
        if wanted.size != result.size:
            raise ValueError(f"{result.shape} results instead of {wanted.shape}")
        result = result.reshape(wanted.shape)
        over = tuple(range(1, wanted.ndim)) if wanted.ndim == 4 else (-1,)
        return float((np.abs(wanted - result) / np.abs(wanted).max(over, keepdims=True)).max())
