"""Define the settings of a study's tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sslbench.analysis.tables.hypotheses import Place
from sslbench.api.ranges import PositiveInt, Range
from sslbench.api.settings import setting, setting_from

DEFAULT_COLUMNS = ("protocol", "metric")
Level = Annotated[float, Range(at_least=0, below=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSettings:
    """Settings of tables and figures that compare the values of one axis or fact, cell by cell.

    A cell is a combination of the other facts, such as a dataset and a fold; its scores are averaged over repetitions.
    """

    axis: str = setting("", "Fact or axis whose values are compared, for wins and relative gains.")
    reference: str = setting("", "Value of `axis` over which gains are computed.")
    welch: Level = setting(
        0.0, "Count only wins that Welch's t-test over repetitions finds significant at this level (0: count all)."
    )
    repetitions: tuple[str, ...] = setting(
        ("seed", "fold", "draw"), "Facts over which the scores of a cell are averaged and tested; others form cells."
    )
    cells: tuple[str, ...] = setting(
        (), "Facts or axes whose combinations are the cells ([]: every fact that varies, except attributes of `axis`)."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSettings(ComparisonSettings):
    """Settings of one table of a study."""

    name: str = setting("scores", "File name of the table.")
    title: str = setting("", "Title in the report ('': the name).")
    kind: Literal["values", "wins", "relative"] = setting(
        "values", "Content: values, shares of cells in which a row is better than a column, or gains over `reference`."
    )
    source: Literal[
        "scores", "classes", "samples", "labels", "pools", "costs", "training", "confusions", "published"
    ] = setting(
        "scores",
        "Numbers to show: scores, scores of classes, sample counts, label counts, kept images of pools, training costs, "
        "terms of the training loss, confusions, or published numbers.",
        old_names=("of",),
    )
    spread: Literal["interval", "deviation"] = setting(
        "interval", "Value after ±: half of the 95 % interval, or the standard deviation over folds and seeds."
    )
    extremes: bool = setting(
        False,
        "Show the smallest and largest value over folds, seeds and draws, or over the values of `aggregate_over`.",
    )
    aggregate_over: str = setting(
        "", "Axis over whose values mean and standard deviation are taken ('': none).", old_names=("over",)
    )
    rows: tuple[str, ...] = setting((), "Facts of scores or axes of the study that form the rows.")
    columns: tuple[str, ...] = setting(
        DEFAULT_COLUMNS, "Facts of scores or axes that form columns (for source=training by default term and epoch)."
    )
    where: Place = setting_from(dict, "Facts or axes and the values to keep, such as {protocol: knn}.")
    against: str = setting("", "Method to subtract from every other method, paired by seed ('': none).")
    limit: PositiveInt = setting(
        10, "Maximum number of confusions in the table, most frequent first.", old_names=("most",)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSettings(ComparisonSettings):
    """Settings of one figure of a study."""

    name: str = setting("scores", "File name of the figure.")
    title: str = setting("", "Title in the report ('': the name).")
    kind: Literal["line", "bar", "dots", "box", "heat", "wins", "shown"] = setting(
        "line",
        "Kind of plot: box plots show scores, or gains over `reference` if it is set; 'wins' is a heat map of the shares "
        "of cells in which a row is better than a column; 'shown' includes an image file of a run.",
    )
    source: Literal["scores", "classes", "training"] = setting(
        "scores",
        "Numbers to draw: scores, scores of classes (the metrics are recall, precision and f1), or terms of the training "
        "loss over epochs.",
        old_names=("of",),
    )
    chance: str = setting("", "Metric whose mean is a dashed line in each panel, such as a chance level ('': none).")
    spread: Literal["interval", "deviation"] = setting(
        "interval", "Length of error bars: 95 % interval over seeds, or standard deviation over folds, seeds and draws."
    )
    log: bool = setting(False, "Use a logarithmic x axis.")
    band: bool = setting(False, "Draw a band around lines in place of error bars.")
    file: str = setting(
        "", "For kind=shown: name or pattern of the image file, in the figures of the first run of `where`."
    )
    x: str = setting("", "Fact or axis on the x axis ('' for source=training: epoch).")
    y: str = setting("", "Fact or axis on the y axis of a heat map.")
    hue: str = setting("", "Fact or axis that selects the color ('': one color).")
    panels: str = setting("", "Fact or axis with one panel per value ('': one panel; for source=training: term).")
    where: Place = setting_from(dict, "Facts or axes and the values to keep, such as {protocol: knn}.")
