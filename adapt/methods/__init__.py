"""One paper, one file, one LightningModule."""

from adapt.encoding import Encoding, Encodings
from adapt.methods.aad import AaD
from adapt.methods.ada_bn import AdaBN
from adapt.methods.adamatch import AdaMatch
from adapt.methods.adda import ADDA
from adapt.methods.afn import AFN
from adapt.methods.alternating import AlternatingMethod, Phase
from adapt.methods.atdoc import ATDOC
from adapt.methods.base import Method
from adapt.methods.bnm import BNM
from adapt.methods.can import CAN
from adapt.methods.cca import CCA
from adapt.methods.cdan import CDAN
from adapt.methods.cmd import CMD
from adapt.methods.codats import CoDATS
from adapt.methods.coral import CORAL
from adapt.methods.cowa import CoWAJMDS
from adapt.methods.cst import CST
from adapt.methods.daln import DALN
from adapt.methods.dance import DANCE
from adapt.methods.dann import DANN
from adapt.methods.dare_gram import DAREGRAM
from adapt.methods.deepjdot import DeepJDOT
from adapt.methods.dirt_t import DIRTT
from adapt.methods.dsan import DSAN
from adapt.methods.fda import FDA
from adapt.methods.fine_tuning import FineTuning
from adapt.methods.fixmatch import FixMatch
from adapt.methods.gvb import GVB
from adapt.methods.homm import HoMM
from adapt.methods.importance_weighting import ImportanceWeighting
from adapt.methods.iwan import IWAN
from adapt.methods.jan import JAN
from adapt.methods.label_shift import LabelShift
from adapt.methods.linear_coral import LinearCORAL
from adapt.methods.m3sda import M3SDA
from adapt.methods.mapping import MappingMethod
from adapt.methods.masked_language import MaskedLanguage
from adapt.methods.mcc import MCC
from adapt.methods.mcd import MCD
from adapt.methods.mdan import MDAN
from adapt.methods.mdd import MDD
from adapt.methods.mfsan import MFSAN
from adapt.methods.mic import MIC, MaskedConsistency
from adapt.methods.min_ent import MinEnt
from adapt.methods.mmd import MMD
from adapt.methods.mme import MME
from adapt.methods.nrc import NRC
from adapt.methods.osbp import OSBP
from adapt.methods.ot_mapping import OTMapping
from adapt.methods.ovanet import OVANet
from adapt.methods.pada import PADA
from adapt.methods.raincoat import Raincoat
from adapt.methods.rsd import RSD
from adapt.methods.sdat import SDAT
from adapt.methods.self_ensembling import SelfEnsembling
from adapt.methods.several_sources import SeveralSources
from adapt.methods.sfda2 import SFDA2
from adapt.methods.shot import SHOT
from adapt.methods.source_only import SourceOnly
from adapt.methods.style_transfer import StyleTransfer
from adapt.methods.subspace_alignment import SubspaceAlignment
from adapt.methods.swd import SWD
from adapt.methods.target_only import TargetOnly
from adapt.methods.tca import TCA
from adapt.methods.teacher import HasTeacher
from adapt.methods.tent import TENT
from adapt.methods.toalign import ToAlign
from adapt.methods.vada import VADA
from adapt.methods.wdgrl import WDGRL

__all__ = [
    "ADDA",
    "AFN",
    "ATDOC",
    "BNM",
    "CAN",
    "CCA",
    "CDAN",
    "CMD",
    "CORAL",
    "CST",
    "DALN",
    "DANCE",
    "DANN",
    "DAREGRAM",
    "DIRTT",
    "DSAN",
    "FDA",
    "GVB",
    "IWAN",
    "JAN",
    "M3SDA",
    "MCC",
    "MCD",
    "MDAN",
    "MDD",
    "MFSAN",
    "MIC",
    "MMD",
    "MME",
    "NRC",
    "OSBP",
    "PADA",
    "RSD",
    "SDAT",
    "SFDA2",
    "SHOT",
    "SWD",
    "TCA",
    "TENT",
    "VADA",
    "WDGRL",
    "AaD",
    "AdaBN",
    "AdaMatch",
    "AlternatingMethod",
    "CoDATS",
    "CoWAJMDS",
    "DeepJDOT",
    "Encoding",
    "Encodings",
    "FineTuning",
    "FixMatch",
    "HasTeacher",
    "HoMM",
    "ImportanceWeighting",
    "LabelShift",
    "LinearCORAL",
    "MappingMethod",
    "MaskedConsistency",
    "MaskedLanguage",
    "Method",
    "MinEnt",
    "OTMapping",
    "OVANet",
    "Phase",
    "Raincoat",
    "SelfEnsembling",
    "SeveralSources",
    "SourceOnly",
    "StyleTransfer",
    "SubspaceAlignment",
    "TargetOnly",
    "ToAlign",
]
