"""Profile encoders: a convolutional, a Transformer's and a recurrent one, all on profiles of one number of steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, widen
from sslbench_plankton.backbones.profiles import ProfileCnnConfig, ProfileLstmConfig, ProfileTransformerConfig
from sslbench_plankton.resampling import resample


class ProfileResidual(nn.Module):
    """Two convolutions of three steps with batch norm, round a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm1d(outside)
        self.second = nn.Conv1d(outside, outside, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm1d(outside)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inside != outside:
            narrow = nn.Conv1d(inside, outside, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(narrow, nn.BatchNorm1d(outside))

    def forward(self, x: Tensor) -> Tensor:
        """[B, inside, T] -> [B, outside, T / stride]."""
        found = self.second_norm(self.second(self.first_norm(self.first(x)).relu()))
        summed: Tensor = (found + self.shortcut(x)).relu()
        return summed


class ProfileCnn(Backbone):
    """Stem, four stages, and the maximum over what is left of time (the released code calls it an average)."""

    def __init__(self, config: ProfileCnnConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.steps, self.width = config.steps, config.widths[-1]
        stem = config.widths[0]
        self.stem = nn.Sequential(
            nn.Conv1d(modality.shape[-1], stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm1d(stem),
            nn.ReLU(),
            nn.MaxPool1d(3, stride=2, padding=1),
        )
        stages: list[nn.Module] = []
        inside = stem
        for place, outside in enumerate(config.widths):
            for block in range(config.blocks):
                stages.append(ProfileResidual(inside, outside, 2 if place and not block else 1))
                inside = outside
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """[B, T, C] -> [B, width]."""
        steps = resample(self.normalize(x), length, self.steps).transpose(1, 2)
        return widen(self.stages(self.stem(steps)).amax(-1))


class ProfileTransformer(Backbone):
    """Encode with post-norm layers. Position 0 is unused (padding in the released code), position 1 is the class token."""

    def __init__(self, config: ProfileTransformerConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.steps, self.width = config.steps, config.width
        self.embed = nn.Linear(modality.shape[-1], config.width, bias=False)
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.positions = nn.Embedding(config.positions, config.width, padding_idx=0)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.hidden, config.dropout, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """[B, T, C] -> [B, width]: the class token."""
        steps = self.embed(resample(self.normalize(x), length, self.steps))
        tokens = torch.cat([self.class_token.to(steps.dtype).expand(len(x), -1, -1), steps], dim=1)
        places = torch.arange(1, tokens.shape[1] + 1, device=x.device)
        return widen(self.layers(tokens + self.positions(places).to(tokens.dtype))[:, 0])


class ProfileLstm(Backbone):
    """Encode with one bidirectional layer: the last forward state, then the last backward state."""

    def __init__(self, config: ProfileLstmConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.steps, self.width = config.steps, 2 * config.width
        self.embed = nn.Linear(modality.shape[-1], config.width, bias=False)
        self.layer = nn.LSTM(config.width, config.width, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """[B, T, C] -> [B, 2 width]."""
        steps = self.embed(resample(self.normalize(x), length, self.steps))
        _, (last, _) = self.layer(steps)
        return widen(torch.cat([last[0], last[1]], dim=1))
