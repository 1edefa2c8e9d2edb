"""Pure functions of tensors, each a paper's formula: no Lightning, no logging, no state."""

from adapt.losses.adamatch import adamatch, aligned
from adapt.losses.adda import adda
from adapt.losses.afn import hafn, safn
from adapt.losses.atdoc import sharpened, weighted_pseudo_labels
from adapt.losses.bnm import bnm
from adapt.losses.bsp import bsp
from adapt.losses.bss import bss
from adapt.losses.can import contrastive_discrepancy, spherical_clusters
from adapt.losses.cca import canonical_correlation
from adapt.losses.cdan import entropy_weights, multilinear
from adapt.losses.charbonnier_entropy import charbonnier_entropy
from adapt.losses.cmd import cmd
from adapt.losses.co_tuning import calibration_temperature, category_relationship, co_tuning
from adapt.losses.coral import coral
from adapt.losses.cowa import joint_confidence, weighted_targets
from adapt.losses.cst import reverse_error, tsallis_entropy
from adapt.losses.dance import entropy_separation, known_entropy, neighbourhood_entropy
from adapt.losses.dare_gram import dare_gram
from adapt.losses.deepjdot import deepjdot
from adapt.losses.delta import delta
from adapt.losses.domain_adversarial import domain_accuracy, domain_adversarial
from adapt.losses.eata import differs_from_mean, fisher_penalty, reliable_weights
from adapt.losses.elastic import elastic
from adapt.losses.entropy import entropy, sample_entropy
from adapt.losses.fixmatch import confident, fixmatch
from adapt.losses.gvb import certainty_weights
from adapt.losses.homm import homm
from adapt.losses.info_nce import info_nce
from adapt.losses.iwan import importance_weights
from adapt.losses.jmmd import jmmd
from adapt.losses.l2_sp import l2_sp
from adapt.losses.label_proportions import label_proportions
from adapt.losses.lame import affinity, laplacian_assignment
from adapt.losses.linear_coral import coral_map
from adapt.losses.lmmd import lmmd
from adapt.losses.m3sda import moment_distance
from adapt.losses.masked_language import masked_language
from adapt.losses.mcc import mcc
from adapt.losses.mcd import class_shares, classifier_discrepancy
from adapt.losses.mdan import soft_maximum
from adapt.losses.mdd import mdd
from adapt.losses.mic import masked_consistency
from adapt.losses.mmd import mmd
from adapt.losses.neighbours import aad, nrc, snc
from adapt.losses.nwd import nwd
from adapt.losses.osbp import unknown_boundary
from adapt.losses.ot_mapping import barycentric_map, nearest_shift, transport_plan
from adapt.losses.ovanet import one_versus_all, one_versus_all_entropy
from adapt.losses.pada import target_class_weights
from adapt.losses.roid import certainty_diversity_weights, corrected_by_prior, soft_likelihood_ratio
from adapt.losses.rotta import memory_score, timeliness_weights
from adapt.losses.rsd import rsd
from adapt.losses.self_ensembling import class_balance, consistency
from adapt.losses.sfda2 import ClassMoments, disentanglement, ifa, with_batch
from adapt.losses.sharpness import ascent
from adapt.losses.shot import centroid_labels, information_maximisation
from adapt.losses.sinkhorn import sinkhorn
from adapt.losses.sliced_wasserstein import sliced_wasserstein
from adapt.losses.soft_cross_entropy import soft_cross_entropy, symmetric_cross_entropy
from adapt.losses.style import content_loss, gram, style_loss, total_variation
from adapt.losses.subspace_alignment import subspace_alignment
from adapt.losses.tca import tca, transfer_components
from adapt.losses.toalign import task_features
from adapt.losses.vat import virtual_adversarial, virtual_adversarial_direction
from adapt.losses.wdgrl import critic_gap, gradient_penalty

__all__ = [
    "ClassMoments",
    "aad",
    "adamatch",
    "adda",
    "affinity",
    "aligned",
    "ascent",
    "barycentric_map",
    "bnm",
    "bsp",
    "bss",
    "calibration_temperature",
    "canonical_correlation",
    "category_relationship",
    "centroid_labels",
    "certainty_diversity_weights",
    "certainty_weights",
    "charbonnier_entropy",
    "class_balance",
    "class_shares",
    "classifier_discrepancy",
    "cmd",
    "co_tuning",
    "confident",
    "consistency",
    "content_loss",
    "contrastive_discrepancy",
    "coral",
    "coral_map",
    "corrected_by_prior",
    "critic_gap",
    "dare_gram",
    "deepjdot",
    "delta",
    "differs_from_mean",
    "disentanglement",
    "domain_accuracy",
    "domain_adversarial",
    "elastic",
    "entropy",
    "entropy_separation",
    "entropy_weights",
    "fisher_penalty",
    "fixmatch",
    "gradient_penalty",
    "gram",
    "hafn",
    "homm",
    "ifa",
    "importance_weights",
    "info_nce",
    "information_maximisation",
    "jmmd",
    "joint_confidence",
    "known_entropy",
    "l2_sp",
    "label_proportions",
    "laplacian_assignment",
    "lmmd",
    "masked_consistency",
    "masked_language",
    "mcc",
    "mdd",
    "memory_score",
    "mmd",
    "moment_distance",
    "multilinear",
    "nearest_shift",
    "neighbourhood_entropy",
    "nrc",
    "nwd",
    "one_versus_all",
    "one_versus_all_entropy",
    "reliable_weights",
    "reverse_error",
    "rsd",
    "safn",
    "sample_entropy",
    "sharpened",
    "sinkhorn",
    "sliced_wasserstein",
    "snc",
    "soft_cross_entropy",
    "soft_likelihood_ratio",
    "soft_maximum",
    "spherical_clusters",
    "style_loss",
    "subspace_alignment",
    "symmetric_cross_entropy",
    "target_class_weights",
    "task_features",
    "tca",
    "timeliness_weights",
    "total_variation",
    "transfer_components",
    "transport_plan",
    "tsallis_entropy",
    "unknown_boundary",
    "virtual_adversarial",
    "virtual_adversarial_direction",
    "weighted_pseudo_labels",
    "weighted_targets",
    "with_batch",
]
