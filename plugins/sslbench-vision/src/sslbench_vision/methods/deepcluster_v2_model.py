"""Train DeepCluster-v2 (Caron et al. 2018; 2020, appendix)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step, UnaugmentedPass
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.methods.deepcluster_v2 import DeepclusterV2Config

UNASSIGNED = -1


@equation
def cluster_loss(scores: Tensor, assigned: Tensor) -> Tensor:
    """Return the cross-entropy of scores [B, K] under clusters [B], averaged over the samples that have a cluster.

    Without any such sample it is 0, not NaN.
    """
    summed = nn.functional.cross_entropy(scores, assigned, ignore_index=UNASSIGNED, reduction="sum")
    return summed / (assigned != UNASSIGNED).sum().clamp(min=1)


@equation
def spherical_k_means(rows: Tensor, centroids: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Cluster unit rows [N, D] from centroids [K, D] -> assignments [N] and unit centroids [K, D].

    A cluster without rows keeps its centroid.
    """
    assigned = (rows @ centroids.T).argmax(dim=1)
    for _ in range(iterations):
        sums = torch.zeros_like(centroids).index_add_(0, assigned, rows)
        counts = torch.bincount(assigned, minlength=len(centroids)).unsqueeze(1)
        centroids = nn.functional.normalize(torch.where(counts > 0, sums, centroids), dim=1)
        assigned = (rows @ centroids.T).argmax(dim=1)
    return assigned, centroids


class DeepclusterV2(JointEmbedding):
    """Method DeepCluster-v2; head h clusters the memory of global view h modulo 2."""

    memory: Tensor
    assigned: Tensor
    centroids: Tensor

    def __init__(self, config: DeepclusterV2Config, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.out)))
        self.config, samples = config, parts.context.samples
        centroids = torch.randn(config.heads, config.clusters, config.out)
        self.register_buffer("memory", torch.zeros(2, samples, config.out))
        self.register_buffer("assigned", torch.full((config.heads, samples), UNASSIGNED))
        self.register_buffer("centroids", nn.functional.normalize(centroids, dim=2))

    def before_epoch(self, step: Step, survey: UnaugmentedPass) -> None:
        """Cluster the memory; before the first epoch, a pass over all samples fills it."""
        if step.epoch == 0:
            if self.config.first_epoch == "ignored":
                return
            self.memory.copy_(self._embed_samples(step, survey).expand_as(self.memory))
        for head in range(self.config.heads):
            rows = self.memory[head % 2]
            chosen = step.random.uniform(f"centroids {head}", len(rows))[0].argsort()[: self.config.clusters]
            assigned, centroids = spherical_k_means(rows, rows[chosen], self.config.iterations)
            self.assigned[head] = assigned
            self.centroids[head] = centroids

    def _embed_samples(self, step: Step, survey: UnaugmentedPass) -> Tensor:
        """Return unit embeddings [N, D] of the unaugmented samples of all processes, in eval mode."""
        self.eval()
        rows = torch.zeros_like(self.memory[0])
        for index, view in survey():
            rows[index] = nn.functional.normalize(self.project(view), dim=1).to(rows.dtype)
        return step.processes.sum(rows)

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the mean loss over views and heads."""
        global_views = batch.views["global"]
        unit = [nn.functional.normalize(self.project(v), dim=1) for v in (*global_views, *batch.views.get("local", ()))]
        losses = [
            cluster_loss(rows @ self.centroids[head].T.to(rows.dtype) / self.config.temperature,
                         self.assigned[head][batch.index])
            for head in range(self.config.heads)
            for rows in unit
        ]  # fmt: skip
        newest = torch.stack([step.processes.gather(rows.detach()) for rows in unit[:2]])
        carry = {"rows": newest, "owners": step.processes.gather(batch.index)}
        return Loss(total=torch.stack(losses).mean(), carry=carry)

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Store the newest embeddings in the memory."""
        for carry in carries:
            self.memory[:, carry["owners"]] = carry["rows"].to(self.memory.dtype)
