"""The functions of a kernel: each takes the arrays it uses, its callees' included, and no others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from snnrl.engines.fast.cache import NO_COUNTING, NOALIAS
from snnrl.engines.fast.layout import Layout
from snnrl.engines.fast.render import Source

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass
class Functions:
    """Collects function texts and remembers which arrays each of them takes.

    ``noalias`` promises the compiler that no two of them overlap, which the layout guarantees.
    """

    layout: Layout
    out: Source
    noalias: bool
    uses: dict[str, list[str]] = field(default_factory=dict)

    def define(self, name: str, parameters: list[str], body: list[str], summary: str, prologue: list[str] | None = None
               ) -> None:  # fmt: skip
        """Add a function; the arrays its body names become its last parameters, in the layout's order."""
        lines = [*(prologue or []), *body]
        words = {word for line in lines for word in _WORD.findall(line.split("#")[0])}
        self.uses[name] = [array for array in self.layout.arrays if array in words]
        promise = NOALIAS if self.noalias else ""
        self.out.add("", "", f"@njit(nogil=True, {NO_COUNTING}{promise}error_model='numpy')")
        with self.out.block(f"def {name}({', '.join([*parameters, *self.uses[name]])}):"):
            self.out.add(f'"""{summary}"""', *lines)

    def call(self, name: str, *arguments: str) -> str:
        """Return a call of a function defined before."""
        return f"{name}({', '.join([*arguments, *self.uses[name]])})"

    def entry(self, name: str, inner: str, parameters: list[str]) -> list[str]:
        """Add a function that is called from Python: it makes the scratch arrays and calls ``inner``.

        Returns the names of the arrays it takes.
        """
        used = self.uses[inner]
        given = [a for a in used if self.layout.arrays[a].role != "scratch"]
        self.out.add("", "", "@njit(nogil=True, cache=True, error_model='numpy')")
        with self.out.block(f"def {name}({', '.join([*parameters, *given])}):"):
            for array in used:
                spec = self.layout.arrays[array]
                if spec.role == "scratch":
                    shape = ", ".join(map(str, spec.shape))
                    self.out.add(f"{array} = np.zeros(({shape},), np.{spec.dtype})")
            self.out.add("return " + self.call(inner, *parameters))
        return given
