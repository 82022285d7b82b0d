"""Points of a study: settings of an axis over those of the base."""

from __future__ import annotations

import yaml

from sslbench.study.definition import list_scales, read_study
from sslbench.study.grid import make_points

STUDY = {
    "base": {"data": "digits", "backbone": {"name": "micro-cnn", "widths": [4, 8]}},
    "axes": {"views": {"own": {"method": "simclr"}, "frozen": {"method": "pretrained", "backbone.widths": None}}},
    "scales": {"smoke": {"cost": "a minute"}, "paper": None},
}


def test_a_point_may_remove_a_setting_of_the_base(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    own, frozen = make_points(read_study(file, ""), [])
    assert own.tree["backbone"] == {"name": "micro-cnn", "widths": [4, 8]}
    assert frozen.tree["backbone"] == {"name": "micro-cnn"}


def test_scales_are_listed_in_the_order_of_the_file(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    assert list_scales(file) == ("smoke", "paper")
    file.write_text("name: alone\n")
    assert list_scales(file) == ()
