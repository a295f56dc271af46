"""Factories: they walk something (modules, directories, a list of commands) and make tasks of what they find.

They only make tasks, in an order that is the same every time. They neither run nor journal them.
"""

from pexen_state.factory.base import BaseFactory, FactoryError, get_callpath
from pexen_state.factory.filesystem import FilesystemFactory
from pexen_state.factory.modtree import ModTreeFactory
from pexen_state.factory.module import ModuleFactory
from pexen_state.factory.tasklist import TaskListFactory

__all__ = [
    "BaseFactory",
    "FactoryError",
    "FilesystemFactory",
    "ModTreeFactory",
    "ModuleFactory",
    "TaskListFactory",
    "get_callpath",
]
