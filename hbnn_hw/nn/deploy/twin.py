"""The entry: deploy a whole network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from hbnn_hw.errors import CaptureError, HbnnError
from hbnn_hw.nn.deploy.handlers import Handler, handlers_of
from hbnn_hw.nn.deploy.lowering import Layer, Lowering, check_finite
from hbnn_hw.nn.deploy.stages import Codes, Value
from hbnn_hw.nn.deploy.steps import reaching_signs, steps_of
from hbnn_hw.nn.deployed_network import DeployedNetwork
from hbnn_hw.nn.network import INPUT, Step
from hbnn_hw.scales import DEFAULT_SCALE_ERROR, ScaleForm


def deploy(
    model: nn.Module,
    scale_error: float = DEFAULT_SCALE_ERROR,
    *,
    scale_form: ScaleForm = ScaleForm.INTEGERS,
    input_shape: tuple[int, ...] | None = None,
) -> DeployedNetwork:
    """Build the deployed twin of a trained network.

    Parameters
    ----------
    model
        A :class:`~hbnn_hw.nn.Network`, as tracing gives it, or an ``nn.Sequential`` (nested as you like) of
        supported layers. It begins with :class:`BitPlaneInput`; layers with weights read codes (pixels,
        signs, quantized activations) or sums of such. What stands between a layer with weights and the next
        quantizer may be any of normalizations, scales, biases, poolings, piecewise linear activations and
        sums with other branches. The network is not changed; its evaluation statistics count.
    scale_error
        Largest relative error of the integer form of any plane scale, and of the step of fixed-point
        numbers in sums (dimensionless).
    scale_form
        Whether plane coefficients are integers within that error, or powers of two, whatever their error.
    input_shape
        Shape of one sample, if samples are images: (channels, rows, columns). The twin reads them flat.

    Returns
    -------
    DeployedNetwork
        In evaluation mode, its layers named after those of ``model`` (dots become underscores), with
        ``<name>_affine`` where a layer has no normalization and ``<name>_fixed`` where real numbers become
        integers on a common scale. Input (batch, features) codes, output (batch, classes) float64.

    Raises
    ------
    CaptureError
        If a module is not supported or stands in a place where hardware has no meaning for it; everything
        that is wrong is named at once.
    ShapeError
        If neighbouring layers do not fit.
    RangeError
        If an accumulator could leave the range in which the arithmetic is exact.
    """
    steps, layers = steps_of(model)
    handlers = handlers_of(layers)
    lowering = Lowering(scale_error, [step.name for step in steps], scale_form)
    values = {INPUT: _input(lowering, input_shape)}
    output = _walk(lowering, steps, layers, handlers, values)
    return lowering.finish(output).requires_grad_(False).eval()


def _input(lowering: Lowering, shape: tuple[int, ...] | None) -> Value:
    """Return the network's input; images come flat and are unflattened first."""
    if shape is None or len(shape) == 1:
        return Value(INPUT, Codes(), shape)
    image = (shape[0], 1, shape[1]) if len(shape) == 2 else shape
    return Value(lowering.put(lowering.free("image"), nn.Unflatten(1, image), INPUT), Codes(), image)


def _walk(
    lowering: Lowering,
    steps: list[Step],
    layers: Mapping[str, nn.Module],
    handlers: Mapping[str, Handler],
    values: dict[str, Value],
) -> Value:
    """Handle all steps but those behind one that failed, so that every failure told is its own."""
    reaching = reaching_signs(steps, dict(layers))
    failures: list[HbnnError] = []
    for step in steps:
        if any(name not in values for name in step.inputs):
            continue
        inputs = tuple(values[name] for name in step.inputs)
        layer = Layer(step.name, layers[step.layer], inputs, step.name in reaching)
        try:
            check_finite(step.name, layer.module)
            values[step.name] = handlers[step.layer](lowering, layer)
        except HbnnError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        listed = "".join(f"\n  {error}" for error in failures)
        raise CaptureError(f"the network cannot be lowered in {len(failures)} places:{listed}")
    return values[steps[-1].name if steps else INPUT]
