"""What is known of each set before its files are read."""

from __future__ import annotations

import string
from dataclasses import dataclass

from hbnn_hw.data.dataset import DatasetName

PARTS = ("x_train", "y_train", "x_test", "y_test")

_DIGITS = tuple(string.digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The fixed facts of a set.

    Attributes
    ----------
    image_shape, levels, class_names, source, channels
        As in :class:`~hbnn_hw.data.dataset.Dataset`.
    digests
        SHA-256 of the decoded arrays (uint8, C order) in the order of :data:`PARTS`; None where no copy was
        at hand to take them from.
    """

    image_shape: tuple[int, int]
    levels: int
    class_names: tuple[str, ...]
    source: str
    digests: tuple[str, str, str, str] | None
    channels: int = 1


SOURCES = {
    DatasetName.DIGITS: Source(
        image_shape=(8, 8),
        levels=17,
        class_names=_DIGITS,
        source="UCI Optical Recognition of Handwritten Digits, Alpaydin and Kaynak 1998, CC BY 4.0",
        digests=(
            "dfeb9b1999a16e65d3a2f44644a52d102d69c46ec2878f6170559f04a7febff5",
            "c93806e69337237c8fb8b8a3a7c651c5e68733eb7e350ff380eabf228723032b",
            "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
            "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
        ),
    ),
    DatasetName.MNIST: Source(
        image_shape=(28, 28),
        levels=256,
        class_names=_DIGITS,
        source="MNIST, LeCun, Cortes and Burges, CC BY-SA 3.0",
        digests=(
            "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
            "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        ),
    ),
    DatasetName.FASHION: Source(
        image_shape=(28, 28),
        levels=256,
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        source="Fashion-MNIST, Xiao, Rasul and Vollgraf 2017, MIT",
        digests=(
            "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
            "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
            "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
            "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        ),
    ),
    DatasetName.LETTER: Source(
        image_shape=(1, 16),
        levels=16,
        class_names=tuple(string.ascii_uppercase),
        source="UCI Letter Recognition, Slate 1991, CC BY 4.0",
        digests=(
            "f384d04e2518f1f49109d5eed627ac7a3b32d05df6725c6fba2e1ce21bc2d0f2",
            "3b902e924514f040ebc84b5d9502ad13f7b8adf73a87e1f412c00d299385641e",
            "0e8d3bd6b8a417ede7f2cfa8987b88f936e62c2e646ab2acae0ee75901e079d3",
            "9aa4de2315a6701fe0da976d2b772751cd15490fc421d7753a2c8c25540460f5",
        ),
    ),
    DatasetName.PENBASED: Source(
        image_shape=(1, 16),
        levels=101,
        class_names=_DIGITS,
        source="UCI Pen-Based Recognition of Handwritten Digits, Alpaydin and Alimoglu 1996, CC BY 4.0",
        digests=(
            "1123ff59dcb4ea5857be7790943325bb6398d48929015d8538ed9048fe96872e",
            "fdf880e434b61a8e33d20131c4af362efc64c3b00ac4f754e65233079eaaaafd",
            "8bc1a1b7ef0da195bb83a732f49aff007fcebc8bb77a359f422ede446efdf3e7",
            "75fa1f81d88c68ece593595a7d7f9a9b2071477ad8b1f03a6c24c7d392da2441",
        ),
    ),
    DatasetName.SATIMAGE: Source(
        image_shape=(1, 36),
        levels=256,
        class_names=("1", "2", "3", "4", "5", "7"),
        source="UCI Statlog (Landsat Satellite), Srinivasan 1993, CC BY 4.0",
        digests=(
            "0afee549bf2399ee74934cf74d4e5c8e95daf5c57dab77e24029d81730dc6648",
            "5cb33178e831c6c475a952b0db7ced4faae70e623e698b985ecd5bf72a3355d4",
            "68a9ec7f27437211571c69b6116b5bd1ca78d0e066d5037ae82fb71ad5a35242",
            "097158b5aa5e8da6b356563e3ea00c17f4d1f5126ca69fd9a83b49d06e20438f",
        ),
    ),
    DatasetName.MAGIC: Source(
        image_shape=(1, 10),
        levels=256,
        class_names=("g", "h"),
        source="UCI MAGIC Gamma Telescope, Bock 2004, CC BY 4.0",
        digests=(
            "2fda2557e78acf50d7111c2ebb3c8e7204adb6d71d33a421f17d64ad3557aed3",
            "cdccc6509d297933232b283aa1808256821a255b98a15b8e7dfd7a5f9a425ff9",
            "dad510ac1f0a8f20eefffdc9249873b5f3967e12a9d03fb688773b5309c9ea75",
            "2bb27ff18cb58a61e20f6f34105efd05b636b71417ba80b3269c258f860273fb",
        ),
    ),
    DatasetName.TEXTURE: Source(
        image_shape=(1, 40),
        levels=256,
        class_names=("2", "3", "4", "6", "7", "8", "9", "10", "12", "13", "14"),
        source="ELENA Texture, Guerin-Dugue and others 1995, by way of KEEL; no licence stated",
        digests=(
            "8a4b2ea6ee08367121b4a6cbf710cd0ba0f584a78e56e426793678cce2f7431c",
            "2f114d3f0d86c706fabdde82d8bf0b8fc6d431b89a4f7f6989b881645de95fb5",
            "b1e94fe7f3e6ed86b33dd9734574c9f37f2ad9d999e11161329d7236900d8746",
            "6b69b437a47af889c0616dda6d40862dbc34f4b18f66223adff0eaa0fd38e38c",
        ),
    ),
    DatasetName.SEGMENT: Source(
        image_shape=(1, 19),
        levels=256,
        class_names=("1", "2", "3", "4", "5", "6", "7"),
        source="UCI Image Segmentation, Vision Group, University of Massachusetts 1990, CC BY 4.0",
        digests=(
            "79180733e1d4612716f561589c5bde8cbef9732780b1bc024eccee7df47348d2",
            "ef2c332105b88954aaaac5883c18822d652508364883038a621b3b2d057ddbec",
            "926e8be32d9b470040e74ae95ed8be248bfc83ee49f080e521624ed37618f338",
            "8e8ad4edf7b63bf4da1b58f7e7a4977ea7aae4f6738ae229fe21e9fb2776096d",
        ),
    ),
    DatasetName.CIFAR10: Source(
        image_shape=(32, 32),
        levels=256,
        class_names=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        source="CIFAR-10, Krizhevsky 2009, no licence stated",
        channels=3,
        digests=None,
    ),
}
