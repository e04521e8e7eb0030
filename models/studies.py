"""All studies of the results page, in its order."""

from __future__ import annotations

from models import bit_maps, cnn, digits, fashion, mnist, questions
from models.recipe import Recipe
from models.study import FEWER_SEEDS, Study

_TABLE = (
    "Every layer's weights are quantized, the first and the last included, and activations are signs, but "
    "for the rows that say otherwise. HBNN rows have one map entry per weight, middle-out; FleXOR rows have "
    "two taps per output and the paper's order."
)

STUDIES = (
    Study(
        name="mnist",
        title="MNIST, perceptron",
        text=_TABLE,
        recipes=mnist.RECIPES,
    ),
    Study(
        name="fashion",
        title="Fashion-MNIST, perceptron",
        text=_TABLE,
        recipes=fashion.RECIPES,
    ),
    Study(
        name="fashion_cnn",
        title="Fashion-MNIST, small convolutional network",
        text="Bits are those of weights / activations. Every layer is quantized, the first and the last "
        "included. Convolutions are padded with -1, but the second of the HBNN rows, whose border is left "
        "out of the sum. HBNN activations have one map entry per position. The statistics of batch "
        "normalization are estimated anew after every epoch, for every row.",
        recipes=cnn.FASHION,
    ),
    Study(
        name="mnist_cnn",
        title="MNIST, small convolutional network",
        text="The same network.",
        recipes=cnn.MNIST,
    ),
    Study(
        name="digits",
        title="optdigits, perceptron",
        text=_TABLE,
        recipes=digits.RECIPES,
        seeds=tuple(range(5)),
    ),
    Study(
        name="hbnn_splits",
        title="HBNN: does the split P matter at equal B?",
        text="Four splits of 1.4 bits on average. The paper says that the choice is unimportant; the split "
        "with pruned weights (0 bits) is ours.",
        recipes=questions.SPLITS,
        seeds=FEWER_SEEDS,
        answer="A little: the three splits without pruning lie within a point, the more third bits the "
        "better. Pruning a fifth of the weights to pay for more third bits gains nothing here.",
    ),
    Study(
        name="hbnn_heuristics",
        title="HBNN: does the sort heuristic matter?",
        text="1.4 bits, 70 / 20 / 10 %. The residual-aware middle-out is ours.",
        recipes=questions.HEURISTICS,
        seeds=FEWER_SEEDS,
        answer="A little, and not as on AlexNet: middle-out, which represents the weights best (HBNN Fig. "
        "2a), is not the most accurate here; bottom-up leads by half a point. The network is "
        "trained with its map, so it adapts to any.",
    ),
    Study(
        name="hbnn_granularity",
        title="HBNN: what does a coarser map cost?",
        text="1.4 bits, 70 / 20 / 10 %. An element map pays in unrolled hardware only; columns and tiles let "
        "folded hardware leave out whole words.",
        recipes=questions.GRANULARITIES,
        seeds=FEWER_SEEDS,
        answer="Nothing: rows and tiles do as well as single entries. So the maps that make folded hardware "
        "faster are free on this network.",
    ),
    Study(
        name="bit_maps",
        title="HBNN: average bitwidth and bit map",
        text="MNIST, a short training, plane scales as powers of two. 1.2 bits are 85 / 10 / 5 % of the "
        "weights with 1, 2 and 3 bits, 1.4 bits 70 / 20 / 10 %, middle-out. What the rows cost in look-up "
        "tables: [bitwidth.md](bitwidth.md).",
        recipes=bit_maps.RECIPES,
        answer="More bits, more accuracy: half a point from one bit to two. 1.4 bits gain two thirds of that "
        "with a map per element, and 0.2 points, hardly more than the seeds' spread, per column or row.",
    ),
    Study(
        name="slb_normalization",
        title="SLB: does state batch normalization matter?",
        text="One bit. State batch normalization keeps statistics of the hard weights beside those of the "
        "soft ones; the authors' code estimates them anew after every epoch.",
        recipes=questions.SLB_NORMS,
        seeds=FEWER_SEEDS,
        answer="No, with this schedule: the temperature ends at 95 % of the training, and in what is left "
        "the running statistics of plain batch normalization become those of the hard weights.",
    ),
    Study(
        name="slb_schedule",
        title="SLB: does the temperature schedule matter?",
        text="One bit, temperature 1 to 0.04 over 95 % of the training, recalibrated.",
        recipes=questions.SLB_SCHEDULES,
        seeds=FEWER_SEEDS,
        answer="A little: exponential and cosine are equal, linear and warm restarts lose half a point.",
    ),
    Study(
        name="flexor_activations",
        title="FleXOR: what do binary activations cost?",
        text="8 stored bits for 10 weights. The paper keeps activations in float; hardware wants signs.",
        recipes=questions.FLEXOR_ACTIVATIONS,
        seeds=FEWER_SEEDS,
        answer="About a point.",
    ),
    Study(
        name="flexor_order",
        title="FleXOR: does an order that hardware can decode cost accuracy?",
        text="13 stored bits for 16 weights. In word order a slice decodes into one PE x SIMD word.",
        recipes=questions.FLEXOR_ORDERS,
        seeds=FEWER_SEEDS,
        answer="No. Row-major and word order do as well as the paper's order, so hardware can have its "
        "words.",
    ),
    Study(
        name="flexor_mixed",
        title="FleXOR: is it worth mixing rates by layer?",
        text="Stored bits over weights of the four layers, at about equal storage; the first layer has 60 % "
        "of the weights.",
        recipes=questions.FLEXOR_MIXED,
        seeds=FEWER_SEEDS,
        answer="Hardly: a thinner first layer gains a quarter of a point over equal rates, a richer one "
        "loses as much.",
    ),
    Study(
        name="flexor_taps",
        title="FleXOR: how many taps?",
        text="8 stored bits for 10 weights. With an even number of taps in every row the matrix has at most "
        "rank 7: one stored bit of eight carries nothing. Fair bits have the full rank.",
        recipes=questions.FLEXOR_TAPS,
        seeds=FEWER_SEEDS,
        answer="Two, as the paper chose for its larger networks, although one stored bit of eight is then "
        "wasted: every further tap makes an output flip more often.",
    ),
    Study(
        name="flexor_gradient",
        title="FleXOR: which derivative of the XOR?",
        text="8 stored bits for 10 weights. The paper's equation 6 against the exact derivative of its "
        "analog form and the plain straight-through estimator.",
        recipes=questions.FLEXOR_GRADIENTS,
        seeds=FEWER_SEEDS,
        answer="The exact derivative is the worst, as the paper says. In this short training the plain "
        "straight-through estimator is ahead of equation 6, which the paper does not find.",
    ),
    Study(
        name="flexor_huffman",
        title="FleXOR: or simply a smaller binary network, Huffman-coded?",
        text="Compare the last columns: the narrower network's Huffman-coded weights take what the wide "
        "one's encoded weights take. Per layer the best symbol size and order count, code tables included; "
        "the bits that FleXOR decodes are compressed in the same way.",
        recipes=questions.HUFFMAN,
        seeds=FEWER_SEEDS,
        answer="At equal storage FleXOR is ahead of the narrower binary network by a quarter of a point, "
        "and its own bits can be Huffman-coded below what it stores, because two taps leave a rank "
        "of 7. Random-looking binary weights hardly compress: 3 to 4 %.",
    ),
    Study(
        name="bnn_activations",
        title="BNN: weights only, or weights and activations?",
        text="Binary weights, binary activations, both, neither.",
        recipes=questions.BNN_ACTIVATIONS,
        seeds=FEWER_SEEDS,
        answer="Alone, binary weights cost 0.9 points and binary activations 0.7; together they cost 2.8 "
        "in this short training (1.9 in the longer one above).",
    ),
    Study(
        name="mixed_methods",
        title="All four methods in one network",
        text="First layer BNN, second HBNN at 1.4 bits, third FleXOR at 8/10, last SLB at 2 bits.",
        recipes=questions.MIXED_METHODS,
        seeds=FEWER_SEEDS,
        answer="It trains and deploys like any other.",
    ),
)


def all_recipes() -> dict[str, Recipe]:
    """Return every recipe by its name."""
    return {recipe.name: recipe for study in STUDIES for recipe in study.recipes}
