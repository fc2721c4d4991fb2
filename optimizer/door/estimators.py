"""Estimators: a pruned model as a scikit-learn classifier or regressor, alone, in pipelines and in searches.

scikit-learn clones estimators, fits them on `X` and `y`, and reads their parameters. A fit is a whole study; the chosen
member of its front answers afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted
from torch import nn

from optimizer.door.answering import TextModel
from optimizer.door.entry import optimize
from optimizer.door.found import Front
from optimizer.door.member import FrontMember
from optimizer.door.seeing import ImageModel
from optimizer.door.taken import EPSILON, AnyMetric
from optimizer.errors import InputError

Array = NDArray[Any]
BATCH = 64


class _Pruned(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """What both estimators share. Parameters are those of `optimize`; `limits` and `choice` choose the member."""

    def __init__(
        self,
        model: object = None,
        *,
        tokenizer: object = None,
        epsilon: float = EPSILON,
        metric: AnyMetric = None,
        trials: int = 100,
        choice: str = "best",
        limits: Mapping[str, float] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.tokenizer, self.epsilon, self.metric = model, tokenizer, epsilon, metric
        self.trials, self.choice, self.limits, self.options = trials, choice, limits, options

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        tags.no_validation = True  # texts and images are checked by the study
        return tags

    def _fitted(self, inputs: Any, labels: Array, *, usual: str = "accuracy") -> Self:
        """Run the study and choose a member; `usual` is the metric by default."""
        if self.choice not in ("best", "knee"):
            raise InputError("choice", f"must be 'best' or 'knee', got {self.choice!r}")
        options = dict(self.options or {})
        if twice := sorted(options.keys() & self.get_params(deep=False)):
            raise InputError("options", f"{twice[0]!r} is a parameter of the estimator; give {twice[0]}=… there")
        self.front_: Front = optimize(
            self.model,
            (inputs, labels),
            tokenizer=self.tokenizer,
            epsilon=self.epsilon,
            metric=usual if self.metric is None else self.metric,
            trials=self.trials,
            progress=False,
            **options,
        )
        chosen = self.front_.knee() if self.choice == "knee" else self.front_.best(**(self.limits or {}))
        self.member_: FrontMember = chosen
        self.model_: nn.Module = chosen.model
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: a fitted estimator answers elsewhere, without its front, whose study stays here."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("front_", "member_")}

    def _outputs(self, inputs: Any) -> NDArray[np.float32]:
        """Return the logits `(n, outputs)` of the chosen member."""
        check_is_fitted(self, "model_")
        model = self.model_
        rows = inputs.to_numpy().tolist() if isinstance(inputs, pd.DataFrame) else inputs
        if isinstance(model, TextModel | ImageModel):
            return model.outputs(rows)
        pixels = torch.as_tensor(np.asarray(rows), dtype=torch.float32)
        pixels = pixels[:, None] if pixels.ndim == 3 else pixels
        with torch.inference_mode():
            answers = [model(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
        return torch.cat([getattr(answer, "logits", answer) for answer in answers]).numpy()


class PrunedClassifier(ClassifierMixin, _Pruned):  # type: ignore[misc]
    """A classifier whose fit finds the pruned versions of a trained model and keeps one.

    Args:
        model: a trained model, as `optimize` takes it.
        tokenizer: of a loaded text classifier.
        epsilon: the tolerated drop of the metric.
        metric: as `optimize` takes it.
        trials: candidates.
        choice: `best`, the smallest drop within `limits`, or `knee`.
        limits: of `Front.best`, such as `{"max_latency_ratio": 0.5}`.
        options: further keywords of `optimize`.

    After `fit`, `front_` is the front, `member_` the chosen member and `classes_` the labels `(k,)`.
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's names
        """Run a study on texts `(n,)` or `(n, 1)`, pairs `(n, 2)` or images `(n, c, h, w)` with labels `(n,)`."""
        labels = _labels(y)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        is_of_images = isinstance(X, torch.Tensor | np.ndarray) and np.asarray(X).dtype.kind in "biuf"
        return self._fitted(X, np.searchsorted(self.classes_, labels) if is_of_images else labels)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the label of each input: `(n,)`. Raises `NotFittedError` before `fit`."""
        chosen = self._of_classes(X).argmax(axis=1)
        return np.asarray(self.classes_[chosen])

    def predict_proba(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Return the probabilities `(n, k)` in the order of `classes_`. Raises `NotFittedError` before `fit`."""
        return torch.from_numpy(self._of_classes(X)).softmax(dim=1).numpy()

    def _of_classes(self, inputs: Any) -> NDArray[np.float32]:
        """Return the logits of `classes_`, in their order: `(n, k)`."""
        logits = self._outputs(inputs)
        model = self.model_
        return logits[:, self._places(model)] if isinstance(model, TextModel) else logits[:, : len(self.classes_)]

    def _places(self, model: TextModel) -> list[int]:
        """Return the model's output of each class: by its name, else by its number or its place."""
        names = {name: index for index, name in model.names.items()}
        wanted = [str(label) for label in self.classes_.tolist()]
        if set(wanted) <= names.keys():
            return [names[label] for label in wanted]
        return [int(label) for label in wanted] if self.classes_.dtype.kind in "iu" else list(range(len(wanted)))


class PrunedRegressor(RegressorMixin, _Pruned):  # type: ignore[misc]
    """A regressor whose fit finds the pruned versions of a trained text model with one score, and keeps one.

    Parameters are those of `PrunedClassifier`. After `fit`, `front_` is the front and `member_` the chosen member.
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Run a study on texts `(n,)` or `(n, 1)` or pairs `(n, 2)` with numbers `(n,)`."""
        return self._fitted(X, _labels(y).astype(np.float64), usual="pearson")

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the score of each input: `(n,)`. Raises `NotFittedError` before `fit`."""
        return self._outputs(X)[:, 0].astype(np.float64)


def _labels(y: Any) -> Array:
    """Return labels `(n,)`, those of a table's only column too.

    Raises `InputError` for several columns, missing labels, and where numpy would turn some into texts.
    """
    written, labels = np.asarray(y, dtype=object), np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        written, labels = written[:, 0], labels[:, 0]
    if labels.ndim != 1:
        raise InputError("y", f"must be one label per row, got shape {labels.shape}; use optimize for several labels")
    missing = np.flatnonzero(pd.isna(written))
    if written.ndim == 1 and len(missing):
        raise InputError("y", f"row {missing[0] + 1} has no label, {len(missing)} rows in all; leave them out")
    if labels.dtype.kind in "US" and not all(isinstance(label, str) for label in written.flat):
        raise InputError("y", "has labels that are texts and labels that are not; use one kind")
    return labels
