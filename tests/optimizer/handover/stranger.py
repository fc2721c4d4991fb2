"""Loads exported encoders as a user without this package does; says every place whose answers differ."""

from __future__ import annotations

import gc
import runpy
import sys
from pathlib import Path

gc.disable()  # it lives for seconds, most of which go into imports

for ours in ("api", "objectives", "optimizer", "search_spaces", "studies"):
    sys.modules[ours] = None  # type: ignore[assignment]  # importing it fails
operators, images, *places = map(Path, sys.argv[1:])
declared = runpy.run_path(str(operators))["admit_torchvision"]()  # as long as they are held

import torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import (  # noqa: E402
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    pipeline,
)


def answers(model: torch.nn.Module, given: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.eval()(**given)[0]
    return found


def check(place: Path) -> None:
    given = load_file(place.with_suffix(".asked"))
    wanted = given.pop("logits")
    known = AutoModelForImageClassification if "pixel_values" in given else AutoModelForSequenceClassification
    model = known.from_pretrained(place, trust_remote_code=True, dtype=torch.float32)
    torch.testing.assert_close(answers(model, given), wanted, atol=1e-6, rtol=1e-5)
    if model.base_model is not model:
        body = AutoModel.from_pretrained(place, trust_remote_code=True, dtype=torch.float32)
        torch.testing.assert_close(answers(body, given), answers(model.base_model, given), atol=0, rtol=0)
    saved = place.with_suffix(".saved")
    model.save_pretrained(saved)
    again = known.from_pretrained(saved, trust_remote_code=True)
    torch.testing.assert_close(answers(again, given), answers(model, given), atol=0, rtol=0)
    try:
        known.from_pretrained(place)
    except RuntimeError as error:
        assert "is a per-layer attribute" in str(error), error
    else:
        raise AssertionError("transformers filled the missing weights at random")


for place in places:
    check(place)
classify = pipeline("text-classification", str(places[0]), trust_remote_code=True)
assert classify(["w1 w2"])[0]["label"].startswith("LABEL_")
see = pipeline("image-classification", str(images), trust_remote_code=True)
picture = Image.new("RGB", (20, 30), (200, 100, 0))
picture.save(images / "picture.png")
by_name = {answer["label"]: answer["score"] for answer in see(str(images / "picture.png"))}
shown = torch.tensor([200.0, 100.0, 0.0])[:, None, None].expand(3, 8, 8)
wanted = answers(see.model, {"pixel_values": ((shown - 100) / 50)[None]}).softmax(dim=1)[0]
torch.testing.assert_close(torch.tensor([by_name[f"LABEL_{index}"] for index in range(3)]), wanted)
gc.freeze()  # or it would look for garbage while it leaves
