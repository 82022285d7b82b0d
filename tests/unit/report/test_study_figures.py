"""Figures of studies: places of a heat map without a score, and ticks of an axis of measured values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sslbench.report.figures.study_figures import draw_figure
from sslbench.study.output_settings import FigureSettings
from tests.unit.analysis.test_draws import gallery_scores
from tests.varied_settings import VARIED


def test_a_panel_that_lacks_a_place_of_a_heat_map_leaves_it_empty(tmp_path, monkeypatch):
    import seaborn as sns

    seen = []
    monkeypatch.setattr(sns, "heatmap", lambda table, **_: seen.append(table))
    frame = pd.concat([gallery_scores()] * 2, ignore_index=True)
    frame["gallery"] = ["image"] * (len(frame) // 2) + [np.nan] * (len(frame) // 2)
    frame["queries"] = frame["gallery"]
    frame = frame[(frame["arm"] == "a") | (frame["gallery"] == "image")]
    figure = FigureSettings(
        name="map", kind="heat", x="queries", y="gallery", panels="arm", where={"metric": "micro_accuracy"}
    )
    draw_figure(frame, figure, tmp_path, VARIED)
    names = ["image", "every modality"]
    assert [table.index.tolist() for table in seen] == [names, names]
    assert [int(table.notna().to_numpy().sum()) for table in seen] == [2, 1]


def test_ticks_of_an_axis_by_factors_are_what_was_measured(tmp_path):
    figure = FigureSettings(
        name="sizes", x="shots", log=True, band=True, hue="arm", spread="deviation", where={"metric": "micro_accuracy"}
    )
    path = draw_figure(gallery_scores(), figure, tmp_path, VARIED)
    text = path.with_suffix(".svg").read_text()
    assert "<!-- 1 -->" in text
    assert "<!-- 4 -->" in text
