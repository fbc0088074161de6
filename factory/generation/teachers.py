"""Opens the teacher that a line names: a model in this process, or one behind a server."""

from __future__ import annotations

from factory.generation.local_teacher import LocalTeacher
from factory.generation.server_teacher import ServerTeacher
from factory.model_spec import TeacherSpec


def open_teacher(spec: TeacherSpec) -> LocalTeacher | ServerTeacher:
    """The teacher of `spec`. No weights are read and no connection is opened before it is asked.

    Raises FactoryError where there is no such model or adapter, or where an environment variable that its server needs is missing.
    """
    if spec.server is not None:
        return ServerTeacher(spec.model, spec.server, spec.revision)
    return LocalTeacher(spec.model, spec.revision, spec.batch_size, spec.adapter, spec.quantisation)
