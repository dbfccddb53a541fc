"""Rectified LpJEPA, chapter by chapter: the small module that the notebooks import.

Importing it loads torch and nothing else; timm, torchvision and matplotlib load where they are used. The training loop
is `rlpjepa.train`, whole runs with checkpoints and result files are `rlpjepa.pretrain`.
"""

from .augment import two_views
from .data import DataError, ImageData, load_data, make_shapes
from .distributions import (
    GeneralizedGaussian,
    RectifiedGeneralizedGaussian,
    TruncatedGeneralizedGaussian,
    mu_for_l0,
    rectified_unit_variance_scale,
    sample_rgg,
    unit_variance_scale,
)
from .evaluate import dead_fraction, evaluate, extract_features, knn_accuracy, l0_fraction, probe_accuracy
from .losses import coordinate_loss, gather, invariance_loss, objective, rdmreg_loss, rgg_cf_loss, sigreg_loss
from .model import RectifiedLpJEPA
from .projections import ProjectedMarginal, projected_characteristic_function, projected_marginal, random_directions
from .spheres import lp_norm, sample_cone, sample_surface, surface_density

__all__ = [
    "DataError",
    "GeneralizedGaussian",
    "ImageData",
    "ProjectedMarginal",
    "RectifiedGeneralizedGaussian",
    "RectifiedLpJEPA",
    "TruncatedGeneralizedGaussian",
    "coordinate_loss",
    "dead_fraction",
    "evaluate",
    "extract_features",
    "gather",
    "invariance_loss",
    "knn_accuracy",
    "l0_fraction",
    "load_data",
    "lp_norm",
    "make_shapes",
    "mu_for_l0",
    "objective",
    "probe_accuracy",
    "projected_characteristic_function",
    "projected_marginal",
    "random_directions",
    "rdmreg_loss",
    "rectified_unit_variance_scale",
    "rgg_cf_loss",
    "sample_cone",
    "sample_rgg",
    "sample_surface",
    "sigreg_loss",
    "surface_density",
    "two_views",
    "unit_variance_scale",
]
