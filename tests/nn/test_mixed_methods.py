"""One network, every method: it learns, every layer moves, and it comes back from its file."""

import torch
from torch import nn
from torch.nn import functional as F

from hbnn_hw.nn import (
    BinaryConv2d,
    BitPlaneInput,
    FlattenOrder,
    FlexorConv2d,
    FlexorLinear,
    HbnnConv2d,
    LatentLayer,
    OutputScale,
    Padding,
    QuantizedConv2d,
    QuantizedLayer,
    SignActivation,
    SlbConv2d,
    StateBatchNorm2d,
    dist_from_avg,
    hard_state,
    load,
    recalibrate,
    save,
)

BORDER = {Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}


def network():
    """Images (batch, 64) of 4-bit codes to four logits: one quantized layer of each method."""
    torch.manual_seed(0)
    return nn.Sequential(
        BitPlaneInput(4),
        nn.Unflatten(1, (1, 8, 8)),
        BinaryConv2d(1, 8, 3, padding=1, padding_value=Padding.MASKED),
        nn.BatchNorm2d(8),
        SignActivation(),
        HbnnConv2d(8, 8, 3, padding=1, padding_value=Padding.MINUS_ONE, distribution=dist_from_avg(1.5)),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(8),
        SignActivation(),
        SlbConv2d(8, 8, 3, bits=2, padding=1, padding_value=Padding.PLUS_ONE, groups=2),
        StateBatchNorm2d(8),
        SignActivation(),
        FlexorConv2d(8, 8, 3, order=FlattenOrder.WORD, pe=4, simd=8),
        nn.AvgPool2d(2),
        nn.BatchNorm2d(8),
        SignActivation(),
        nn.Flatten(),
        FlexorLinear(8, 4),
        OutputScale(0.5),
    )


def task(n=128):
    """In which quarter of the image is the bright square: codes (n, 64), labels (n,)."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 5, (n, 8, 8), generator=generator)
    labels = torch.randint(0, 4, (n,), generator=generator)
    for image, label in zip(images, labels, strict=True):
        top, left = 4 * (label // 2), 4 * (label % 2)
        image[top : top + 4, left : left + 4] += 10
    return images.flatten(1).to(torch.uint8), labels


def trained(steps=40):
    """The network after a few steps of the usual recipe, its losses, and its parameters before."""
    model, (images, labels) = network().train(), task()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=0.01), []
    for _ in range(steps):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for layer in model:
            if isinstance(layer, LatentLayer):
                layer.clip_weights_()
        with torch.no_grad(), hard_state(model):
            model(images)
        losses.append(loss.item())
    return model, losses, before


def test_every_method_learns_beside_every_other(tmp_path):
    model, losses, before = trained()
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    stuck = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert stuck == []

    images, labels = task()
    recalibrate(model, images.split(64))
    assert float((model(images).argmax(1) == labels).float().mean()) > 0.5
    save(model, images[:1], tmp_path / "model.pt")
    found = load(tmp_path / "model.pt").model
    assert str(found) == str(model)
    assert torch.equal(found(images), model(images))


def test_evaluation_is_a_plain_convolution_with_the_planes_values():
    model, images = trained(2)[0].eval(), task()[0]
    x = images
    for layer in model:
        y = layer(x)
        if isinstance(layer, QuantizedConv2d):
            (vertical, horizontal), border = layer.padding, BORDER.get(layer.padding_value, 0.0)
            padded = F.pad(x, (horizontal, horizontal, vertical, vertical), value=border)
            expected = F.conv2d(padded, layer.planes().values(), groups=layer.groups)
            torch.testing.assert_close(y, expected)
        elif isinstance(layer, QuantizedLayer):
            torch.testing.assert_close(y, F.linear(x, layer.planes().values()))
        x = y
