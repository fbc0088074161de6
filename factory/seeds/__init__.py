"""From a taxonomy folder to seed examples and document chunks, with every fault of every file named."""

from factory.seeds.documents import collect_documents
from factory.seeds.examples import collect_examples
from factory.seeds.taxonomy import Example, Leaf, Taxonomy, read_taxonomy

__all__ = ["Example", "Leaf", "Taxonomy", "collect_documents", "collect_examples", "read_taxonomy"]
