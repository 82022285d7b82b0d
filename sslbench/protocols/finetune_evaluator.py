"""Fine-tune encoders with a head, using the harness's training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import numpy as np
from torch import Tensor, nn

from sslbench.api.modules import Backbone, DropPath, Objective, Tokens, Trial
from sslbench.api.series import encode_samples, match_encoders
from sslbench.api.target_losses import loss_of
from sslbench.api.targets import Labels, kind_of
from sslbench.api.values import Batch, Loss, Modality, Outcome, Step, Target, Task, View
from sslbench.protocols.finetune import FinetuneConfig, make_fit


def make_head(width: int, classes: int, config: FinetuneConfig, *, tokens: bool) -> nn.Module:
    """Return a linear layer, or linear -> norm -> activation -> linear (arXiv 2503.11341, section 3).

    The bottleneck has LayerNorm and GELU after encoders that offer tokens, BatchNorm and ReLU after others. The weights of
    the last layer are drawn from a normal distribution of standard deviation 0.01; its bias is 0.
    """
    last = nn.Linear(config.bottleneck if config.head == "bottleneck" else width, classes)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
    if config.head == "linear":
        return last
    norm = nn.LayerNorm(config.bottleneck) if tokens else nn.BatchNorm1d(config.bottleneck)
    return nn.Sequential(nn.Linear(width, config.bottleneck), norm, nn.GELU() if tokens else nn.ReLU(), last)


class Classifier(Objective):
    """Encoders whose features are concatenated, a head, and the loss of the target, with label smoothing.

    modalities: those of the samples; the features of a series are averaged over its steps.
    """

    def __init__(
        self,
        encoders: Mapping[str, Backbone],
        modalities: Mapping[str, Modality],
        target: Target,
        config: FinetuneConfig,
    ) -> None:
        super().__init__()
        self.modalities = modalities
        matched = match_encoders(encoders, modalities).values()
        encoders = {name: encoder for name, encoder in encoders.items() if name in matched}
        self.encoders = nn.ModuleDict(dict(encoders))
        self.smoothing, self.target_loss = config.label_smoothing, loss_of(target)
        width = sum(encoders[name].width for name in matched)
        tokens = all(isinstance(encoder, Tokens) for encoder in encoders.values())
        self.head = make_head(width, len(target.names), config, tokens=tokens)
        for encoder in encoders.values():
            if isinstance(encoder, DropPath):
                encoder.set_drop_path(config.drop_path)

    def scores(self, view: View) -> Tensor:
        """Return the class scores [B, C] of a view."""
        encoders = {name: cast(Backbone, encoder) for name, encoder in self.encoders.items()}
        scores: Tensor = self.head(encode_samples(encoders, view, self.modalities))
        return scores.float()

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss of the target."""
        assert batch.target is not None
        view = batch.views["view"][0]
        return Loss(total=self.target_loss.loss(self.scores(view), batch.target, self.smoothing))


class Finetune:
    """Evaluator of the fine-tuning protocol: one classifier per task."""

    def __init__(self, config: FinetuneConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield one outcome per task; nothing for a method whose encoders have no weights."""
        for place, task in enumerate(trial.tasks):
            encoders = trial.bench.encoders()
            if not any(True for encoder in encoders.values() for _ in encoder.parameters()):
                return
            objective = Classifier(encoders, trial.modalities, trial.target, self.config)
            for parameter in objective.parameters():
                parameter.requires_grad_(True)
            yield self._task(trial, place, task, objective)

    def _task(self, trial: Trial, place: int, task: Task, objective: Classifier) -> Outcome:
        config, bench, qualities = self.config, trial.bench, list[float]()
        labels, kind = np.asarray(trial.table().target), kind_of(trial.target)

        def predict(rows: np.ndarray) -> Labels:
            scores = bench.answer(objective.scores, rows, source="samples")
            return kind.decode(objective.target_loss.output(scores).numpy(), labels[task.bank])

        def measure_quality() -> float:
            qualities.append(kind.score(labels[task.validation], predict(task.validation)))
            return qualities[-1]

        validate: Callable[[], float] | None = measure_quality if config.keep == "best" else None
        fit = make_fit(config)
        name = "-".join(f"{key}{value}" for key, value in task.setting.items())
        bench.fit(objective, task.bank, fit, source="samples", name=name, validate=validate)
        epochs = fit.list_validation_epochs(len(task.bank))[: len(qualities)]
        return Outcome(
            task=place,
            chosen={"epoch": epochs[qualities.index(max(qualities))] if qualities else config.keep},
            chosen_on="validation" if config.keep == "best" else "nothing",
            considered=tuple(({"epoch": epoch}, share) for epoch, share in zip(epochs, qualities, strict=True)),
            rows=task.query,
            predicted=predict(task.query),
            validation=predict(task.validation) if len(task.validation) else None,
        )
