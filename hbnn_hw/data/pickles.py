"""Pickled arrays, read without executing anything that the file asks for."""

from __future__ import annotations

import pickle

import numpy as np


class ArrayUnpickler(pickle.Unpickler):
    """Reads NumPy arrays inside plain containers and refuses every other object."""

    _ALLOWED = {  # noqa: RUF012 - a constant
        "_reconstruct": np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        "ndarray": np.ndarray,
        "dtype": np.dtype,
    }

    def find_class(self, module_name: str, global_name: str, /) -> object:
        """Give one of NumPy's three array builders; raise UnpicklingError for all else."""
        if module_name.split(".")[0] == "numpy" and global_name in self._ALLOWED:
            return self._ALLOWED[global_name]
        raise pickle.UnpicklingError(f"a pickled {module_name}.{global_name} is not allowed here")
