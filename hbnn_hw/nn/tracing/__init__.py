"""From PyTorch modules of any topology, live or in an archive, to networks of known layers.

:func:`trace` exports a module with ``torch.export``; :func:`load_archive` reads what ``torch.export.save``
wrote, without running anything of it. Both read a :class:`~hbnn_hw.nn.tracing.program.Program`, whose
operators :data:`~hbnn_hw.nn.tracing.handlers.HANDLERS` turn into layers of :data:`hbnn_hw.nn.registry.KINDS`.
"""

from hbnn_hw.nn.tracing.archive import is_archive, load_archive
from hbnn_hw.nn.tracing.trace import trace

__all__ = ["is_archive", "load_archive", "trace"]
