"""Words of a chip file that other packages define: op kinds, activations, storage media."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import GetCoreSchemaHandler
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from edgesim.ir.ops import ACTIVATIONS, MOVEMENTS, OP_KINDS, SPECIAL_FUNCTIONS
from edgesim.tech import storage_names

REQUIRED_PROGRAMS = tuple(kind for kind in SPECIAL_FUNCTIONS if OP_KINDS[kind].always_on_chip)
"""Special functions that no chip can leave to its host."""
if TYPE_CHECKING:
    ActivationFunction: TypeAlias = str
    SpecialFunction: TypeAlias = str
    Movement: TypeAlias = str
else:
    ActivationFunction = Literal[ACTIVATIONS]
    SpecialFunction = Literal[SPECIAL_FUNCTIONS]
    Movement = Literal[MOVEMENTS]


@dataclass(frozen=True)
class OneOf:
    """Annotation of a word that is one of `names`, which are data and read when they are needed."""

    names: Callable[[], tuple[str, ...]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, word: str) -> str:
        if word not in self.names():
            raise ValueError(f"got {word!r}; allowed: {', '.join(self.names())}")
        return word


StorageName = Annotated[str, OneOf(storage_names)]
"""Key of a chip's `storage` section."""
