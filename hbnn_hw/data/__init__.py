"""Real data sets in canonical order, checked on loading; nothing here opens a network connection.

``digits`` travels with the package; the other sets of :class:`DatasetName` are read from the files that
ordinary package clients leave (:func:`fetch_command` says which command), or from the publisher's own files.
:func:`image_folder` reads a user's own images. ``docs/data.md`` lists the sets, their sources and licences.
"""

from hbnn_hw.data.dataset import AffineCodes, Check, Dataset, DatasetName, Labels
from hbnn_hw.data.folders import cache_folder
from hbnn_hw.data.images import image_folder
from hbnn_hw.data.loading import fetch_command, how_to_get, load

__all__ = [
    "AffineCodes",
    "Check",
    "Dataset",
    "DatasetName",
    "Labels",
    "cache_folder",
    "fetch_command",
    "how_to_get",
    "image_folder",
    "load",
]
