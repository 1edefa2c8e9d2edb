"""Pictures of a tested model: embeddings of both domains and confusion matrices, as files and in the loggers."""

from adapt.analysis.confusion import confusion_figure
from adapt.analysis.embedding import embedding_figure, project
from adapt.analysis.pictures import Pictures, class_accuracies, counted

__all__ = ["Pictures", "class_accuracies", "confusion_figure", "counted", "embedding_figure", "project"]
