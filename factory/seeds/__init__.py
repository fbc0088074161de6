"""From taxonomies, tables, topics and documents to seed examples and document chunks, with every fault of every source named."""

from factory.seeds.canaries import draw_canaries
from factory.seeds.documents import collect_documents
from factory.seeds.examples import collect_examples
from factory.seeds.leaf import Example, Leaf, Topic
from factory.seeds.survey import Survey, survey_seeds
from factory.seeds.taxonomy import Taxonomy, read_taxonomy

__all__ = [
    "Example",
    "Leaf",
    "Survey",
    "Taxonomy",
    "Topic",
    "collect_documents",
    "collect_examples",
    "draw_canaries",
    "read_taxonomy",
    "survey_seeds",
]
