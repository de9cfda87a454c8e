"""The figures that the paper publishes, and which of our protocols measure the same notion.

Source: X-Dancer, Chen et al., ICCV 2025, arXiv 2502.17414v2, tables 1 to 4. The paper states neither the weights nor
the constants behind its figures, so that none of our protocols is known to be the same (docs/metrics.md): ours stand in
columns of their own.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Quantity:
    """What a column of a published table tells.

    Attributes:
      name: as the paper has it.
      largest: whether the largest is best.
      suite: of launch.evaluate, which measures it.
      protocols: regular expression of the ids of ours that measure the same notion.
      figure: its name in their results.
      weights: flags of launch.evaluate that it needs, for files that nobody may ship.
    """

    name: str
    largest: bool
    suite: str
    protocols: str
    figure: str
    weights: str = ""

    def needs(self, of: str) -> str:
        """What would measure it; of: what the command is given."""
        return " ".join(filter(None, [f"launch.evaluate --suite {self.suite}", of, self.weights]))


@dataclasses.dataclass(frozen=True)
class Row:
    """A published row.

    Attributes:
      label: as the paper has it.
      values: for each quantity one figure a data set; none where the paper has none.
      stage: of the runs that stand here; "" where only videos or dances of that system do.
      where: fields of their config, by dotted name; a value that is a tuple is a range, low excluded.
      truth: the row of the real dances.
    """

    label: str
    values: tuple[tuple[float, ...], ...]
    stage: str = ""
    where: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    truth: bool = False


@dataclasses.dataclass(frozen=True)
class Published:
    """A published table. data: the sets that it was measured on, in the order of a row's values."""

    id: str
    title: str
    data: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    rows: tuple[Row, ...]


_I3D = "--i3d i3d_pretrained_400.pt"
_POSE_FVD = Quantity("FVD", False, "motion", r"fvd_poses.*", "distance", _I3D)
_DIV = Quantity("DIV", True, "motion", r"div_gtnorm_kinetic_2d", "diversity")
_BAS = Quantity("BAS", True, "motion", r"bas_(masked_100ms|bailando_60fps)", "score")
_MOTION = (_POSE_FVD, _DIV, _BAS)
_FULL = {
    "model.global_music": True, "model.motion_context": True, "data.share": 1.0,
}
_NO_MUSIC, _NO_CONTEXT = _FULL | {"model.global_music": False}, _FULL | {"model.motion_context": False}
_SHARE = {"data.share": (0.0, 0.999)}

TABLE_1 = Published(
    "table_1", "Table 1: motion", ("AIST++", "in-house"), _MOTION, (
        Row("ground truth", ((509.58, 129.75), (34.10, 29.67), (0.24, 0.22)), truth=True),
        Row("Hallo", ((548.81, 249.12), (28.66, 28.98), (0.16, 0.20))),
        Row("Bailando", ((621.22, 534.02), (22.34, 24.05), (0.19, 0.19))),
        Row("EDGE", ((639.46, 303.36), (24.87, 27.29), (0.26, 0.24))),
        Row("X-Dancer-AIST", ((620.73, 309.18), (25.25, 24.31), (0.26, 0.22))),
        Row("X-Dancer", ((531.52, 238.22), (25.61, 28.08), (0.23, 0.21)), "motion", _FULL),
    ),
)  # fmt: skip
TABLE_2 = Published(
    "table_2", "Table 2: video from music", ("in-house",), (
        Quantity("FVD", False, "video", r"fvd_(?!poses).*", "distance", _I3D),
        Quantity("FID-VID", False, "video", r"fidvid_.*", "distance", "--resnet50 FILE or --resnext101 FILE"),
        Quantity("ID-SIM", True, "video", r"id_sim_.*", "score", "--arcface FILE --face_finder FILE"),
    ), (
        Row("Hallo", ((609.08,), (76.99,), (0.4870,))),
        Row("Bailando + PG", ((583.26,), (100.02,), (0.3392,))),
        Row("EDGE + PG", ((613.81,), (93.73,), (0.3034,))),
        Row("X-Dancer's motion + PG", ((735.05,), (72.71,), (0.4894,))),
        Row("X-Dancer-AIST", ((549.38,), (74.06,), (0.3652,))),
        Row("X-Dancer", ((507.06,), (61.94,), (0.5317,))),
    ),
)  # fmt: skip
TABLE_3 = Published(
    "table_3", "Table 3: transformer", ("in-house",), _MOTION, (
        Row("no global music", ((265.73,), (27.04,), (0.2142,)), "motion", _NO_MUSIC),
        Row("no motion context", ((247.54,), (26.42,), (0.2154,)), "motion", _NO_CONTEXT),
        Row(
            "sub-dataset, medium", ((402.63,), (24.40,), (0.2112,)), "motion",
            _SHARE | {"model.width": (768, 1 << 20)},
        ),
        Row("sub-dataset, small", ((332.93,), (24.58,), (0.2046,)), "motion", _SHARE | {"model.width": (0, 768)}),
        Row("full model", ((238.22,), (28.08,), (0.2182,)), "motion", _FULL),
    ),
)  # fmt: skip
_L1 = r"pose_l1_half_height"
TABLE_4_POSES = Published(
    "table_4_poses", "Table 4: tokenizer, pose L1", ("in-house",), (
        Quantity("full body", False, "reconstruction", _L1, "full_body"),
        Quantity("head", False, "reconstruction", _L1, "head"),
        Quantity("hands", False, "reconstruction", _L1, "hands"),
    ), (
        Row("single-part", ((0.83,), (0.64,), (0.52,)), "tokenizer", {"single_part": True}),
        Row("multi-part", ((0.50,), (0.40,), (0.42,)), "tokenizer", {"single_part": False}),
    ),
)  # fmt: skip
_GUIDED, _DECODED = {"pose_control": "pose_guider"}, {"pose_control": "motion_decoder"}
TABLE_4_VIDEO = Published(
    "table_4_video", "Table 4: self-driven video", ("in-house",), (
        Quantity("PSNR", True, "video", r"psnr_float", "score"),
        Quantity(
            "LPIPS", False, "video", r"lpips_(alex|vgg|squeeze)", "score",
            "--lpips_backbone FILE (torchvision's) --lpips_heads FILE (the lpips package's)",
        ),
        Quantity("FVD", False, "video", r"fvd_(?!poses).*", "distance", _I3D),
    ), (
        Row("ground-truth poses + PG", ((19.465,), (0.197,), (294.52,)), "video", _GUIDED),
        Row(
            "single-part + MD", ((17.079,), (0.258,), (350.73,)), "video",
            _DECODED | {"earlier.tokenizer.single_part": True},
        ),
        Row("multi-part + PG", ((18.836,), (0.207,), (384.16,))),
        Row(
            "multi-part + MD", ((19.148,), (0.207,), (295.87,)), "video",
            _DECODED | {"earlier.tokenizer.single_part": False},
        ),
    ),
)  # fmt: skip
TABLES = (TABLE_1, TABLE_2, TABLE_3, TABLE_4_POSES, TABLE_4_VIDEO)

__all__ = ["TABLES", "Published", "Quantity", "Row"]
