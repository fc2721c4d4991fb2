"""Usage: the Python lines that load an exported model, as its card shows them."""

from __future__ import annotations

from optimizer.tasks.table import Kind

LOADED = "from optimizer import load_pruned"
STOCK = (
    "",
    "# without this package, transformers runs modeling_pruned.py of this folder:",
    "from transformers import {0}",
    "",
    'model = {0}.from_pretrained("DIR", trust_remote_code=True)',
)
TEXTS = (
    LOADED,
    "from transformers import AutoTokenizer",
    "",
    'model, tokenizer = load_pruned("DIR"), AutoTokenizer.from_pretrained("DIR")',
)
IMAGES = (
    LOADED,
    "",
    'model = load_pruned("DIR")',
    "logits = model(pixel_values=images).logits  # prepared as preprocessor_config.json says, if it is there",
)
OWN = (
    LOADED,
    "",
    'model = load_pruned("DIR", into=MyNetwork)  # MyNetwork() builds the dense network, with any weights',
    "logits = model(pixel_values=images).logits  # model.net is the network itself",
)
PIPELINE = (
    "",
    "from transformers import pipeline",
    "",
    'classify = pipeline("image-classification", "DIR", trust_remote_code=True)  # of pictures of any size',
)
TRACED = ("", "# without this package: `optimize export` with `--format onnx` writes a graph for ONNX Runtime")


def usage_of_texts(kind: Kind) -> list[str]:
    """Return how a text encoder is loaded and asked, with this package and without."""
    auto = f"AutoModelFor{kind.head.kind}" if kind.head.kind else "AutoModel"
    return [*TEXTS, kind.call, *_stock(auto)]


def usage_of_images(*, is_stock: bool, is_own: bool) -> list[str]:
    """Return how an image network is loaded: by transformers too if it `is_stock`, with its class if it `is_own`."""
    if is_stock:
        return [*IMAGES, *_stock("AutoModelForImageClassification"), *PIPELINE]
    return [*(OWN if is_own else IMAGES), *TRACED]


def _stock(auto: str) -> list[str]:
    return [line.format(auto) for line in STOCK]
