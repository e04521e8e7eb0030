"""Design space exploration: many bitwidths, foldings, devices and clocks of a network, and the best."""

from hbnn_hw.explore.exploration import explore
from hbnn_hw.explore.figures import Figures, Outcome, evaluate
from hbnn_hw.explore.models import Model, read_model
from hbnn_hw.explore.pareto import OBJECTIVES, Objective, Row, pareto_front, with_front
from hbnn_hw.explore.point import Drawn, FoldingTarget, Method, Point, Trained
from hbnn_hw.explore.results_file import ResultsFile
from hbnn_hw.explore.runners import DaskRunner, LocalRunner, Runner
from hbnn_hw.explore.space import MapKind, Space

__all__ = [
    "OBJECTIVES",
    "DaskRunner",
    "Drawn",
    "Figures",
    "FoldingTarget",
    "LocalRunner",
    "MapKind",
    "Method",
    "Model",
    "Objective",
    "Outcome",
    "Point",
    "ResultsFile",
    "Row",
    "Runner",
    "Space",
    "Trained",
    "evaluate",
    "explore",
    "pareto_front",
    "read_model",
    "with_front",
]
