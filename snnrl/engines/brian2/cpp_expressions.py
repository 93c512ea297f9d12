"""Python expressions as C++: types, operators and the functions of ``math``."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable

_MATH = ("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
         "sinh", "cosh", "tanh", "pow", "fabs", "hypot", "copysign", "fmod")  # fmt: skip
_TO_INTEGER = {"floor": "std::floor", "ceil": "std::ceil", "trunc": "std::trunc"}
_TESTS = {"isnan": "std::isnan", "isinf": "std::isinf", "isfinite": "std::isfinite"}
_CONSTANTS = {"pi": math.pi, "tau": math.tau, "e": math.e}
_SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_PYTHONIC = {ast.FloorDiv: "py_floordiv", ast.Mod: "py_mod"}
_COMPARISONS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_WIDTH = {"": -1, "bool": 0, "int64_t": 1, "double": 2}


_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
    alignas alignof asm auto bool case catch char class concept const const_cast constexpr decltype
    default delete do double dynamic_cast else enum explicit export extern float for friend goto if
    inline int long mutable namespace new noexcept nullptr operator private protected public register
    reinterpret_cast requires short signed sizeof static static_assert static_cast struct switch
    template this thread_local throw true false try typedef typeid typename union unsigned using virtual
    void volatile wchar_t while std brian
""",
    )
)


def spelled(name: str) -> str:
    """Return a Python name as a C++ name."""
    return f"{name}_" if name in _KEYWORDS else name


class UntranslatableError(ValueError):
    """A piece of Python that has no translation; the message quotes it."""


def _widest(*kinds: str) -> str:
    return max(kinds, key=_WIDTH.__getitem__)


class Expressions:
    """Types and texts of the expressions of one function.

    Parameters
    ----------
    types
        C++ type by variable, of the arguments at first.
    arrays, lengths
        Type of the elements and number of them, by array.
    """

    def __init__(self, types: dict[str, str], arrays: dict[str, str], lengths: dict[str, int]) -> None:
        self.types, self.arrays, self.lengths = dict(types), arrays, lengths

    def widen(self, target: ast.expr, value: ast.expr) -> None:
        """Let a variable hold what is assigned to it; unknown as long as what the value reads is."""
        if not isinstance(target, ast.Name):
            return
        if target.id in self.arrays:
            raise UntranslatableError(f"{target.id!r} is an array")
        unknown = [n.id for n in ast.walk(value) if isinstance(n, ast.Name) and self._unknown(n.id)]
        if not unknown:
            self.types[target.id] = _widest(self.types.get(target.id, ""), self.kind(value))

    def _unknown(self, name: str) -> bool:
        return name not in self.types and name not in self.arrays and name not in (*_CALLS, "math", "range")

    # ------------------------------------------------------------------ types

    def kind(self, node: ast.expr) -> str:
        """Return the C++ type of an expression."""
        if isinstance(node, ast.Constant):
            return self._constant_kind(node)
        if isinstance(node, ast.Name):
            return self._name_kind(node)
        if isinstance(node, ast.Subscript):
            return "int64_t" if self._length(node) is not None else self.arrays[self._array(node)]
        if isinstance(node, ast.Compare | ast.BoolOp):
            return "bool"
        if isinstance(node, ast.UnaryOp):
            return "bool" if isinstance(node.op, ast.Not) else _widest("int64_t", self.kind(node.operand))
        if isinstance(node, ast.IfExp):
            return _widest(self.kind(node.body), self.kind(node.orelse))
        if isinstance(node, ast.BinOp):
            always = "double" if isinstance(node.op, ast.Div | ast.Pow) else "int64_t"
            return _widest(always, self.kind(node.left), self.kind(node.right))
        if isinstance(node, ast.Call):
            return self._call_kind(node)
        if isinstance(node, ast.Attribute):
            return "double"
        raise UntranslatableError(f"{type(node).__name__} in {ast.unparse(node)!r}")

    def _constant_kind(self, node: ast.Constant) -> str:
        kinds = {bool: "bool", int: "int64_t", float: "double"}
        if type(node.value) not in kinds:
            raise UntranslatableError(f"the constant {node.value!r}")
        return kinds[type(node.value)]

    def _name_kind(self, node: ast.Name) -> str:
        if node.id in self.arrays:
            raise UntranslatableError(f"the array {node.id!r} as a whole")
        if node.id not in self.types:
            raise UntranslatableError(f"{node.id!r} has no value")
        return self.types[node.id]

    def _call_kind(self, node: ast.Call) -> str:
        name = _called(node)
        fixed = {"int": "int64_t", "len": "int64_t", "float": "double", "bool": "bool"}
        if name in fixed:
            return fixed[name]
        if name.startswith("math."):
            short = name.removeprefix("math.")
            return "int64_t" if short in _TO_INTEGER else ("bool" if short in _TESTS else "double")
        return _widest("int64_t", *(self.kind(argument) for argument in node.args))

    # ------------------------------------------------------------------ texts

    def text(self, node: ast.expr) -> str:
        """Return an expression as C++, with as many parentheses as there are operations."""
        self.kind(node)
        writers: dict[type[ast.expr], Callable[..., str]] = {
            ast.Constant: self._constant,
            ast.Name: lambda n: spelled(n.id),
            ast.Subscript: self._subscript,
            ast.Compare: self._compare,
            ast.BoolOp: self._bool,
            ast.UnaryOp: self._unary,
            ast.IfExp: self._choice,
            ast.BinOp: self._binary,
            ast.Call: self._call,
            ast.Attribute: self._attribute,
        }
        return writers[type(node)](node)

    def condition(self, node: ast.expr) -> str:
        """Return the truth value of an expression."""
        return self.text(node) if self.kind(node) == "bool" else f"({self.text(node)} != 0)"

    def integer(self, node: ast.expr) -> str:
        """Return an expression that must be a whole number."""
        if self.kind(node) == "double":
            raise UntranslatableError(f"{ast.unparse(node)!r} is not a whole number")
        return self.text(node)

    def _as(self, node: ast.expr, kind: str) -> str:
        return self.text(node) if self.kind(node) == kind else f"({kind})({self.text(node)})"

    def _constant(self, node: ast.Constant) -> str:
        if isinstance(node.value, bool):
            return "true" if node.value else "false"
        if isinstance(node.value, float) and math.isinf(node.value):
            return "INFINITY"
        return f"{node.value!r}LL" if isinstance(node.value, int) else repr(node.value)

    def _array(self, node: ast.Subscript) -> str:
        if isinstance(node.value, ast.Name) and node.value.id in self.arrays:
            return node.value.id
        raise UntranslatableError(f"{ast.unparse(node)!r} is not an element of an array argument")

    def _length(self, node: ast.Subscript) -> int | None:
        """Return the number that ``array.shape[0]`` is, or None for anything else."""
        if ast.unparse(node).endswith(".shape[0]"):
            return self.lengths.get(ast.unparse(node).removesuffix(".shape[0]"))
        return None

    def _subscript(self, node: ast.Subscript) -> str:
        length = self._length(node)
        if length is not None:
            return f"{length}LL"
        array, index = self._array(node), ast.unparse(node.slice)
        if index.lstrip("-").isdigit():
            place = int(index) % max(self.lengths[array], 1) if index.startswith("-") else int(index)
            if not 0 <= place < self.lengths[array]:
                raise UntranslatableError(
                    f"{ast.unparse(node)!r}: the array has {self.lengths[array]} elements"
                )
            return f"{spelled(array)}[{place}]"
        return f"{spelled(array)}[{self.integer(node.slice)}]"

    def _compare(self, node: ast.Compare) -> str:
        sides = [node.left, *node.comparators]
        parts = []
        for operator, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True):
            if type(operator) not in _COMPARISONS:
                raise UntranslatableError(f"{ast.unparse(node)!r}")
            kind = _widest(self.kind(left), self.kind(right))
            parts.append(f"({self._as(left, kind)} {_COMPARISONS[type(operator)]} {self._as(right, kind)})")
        return parts[0] if len(parts) == 1 else f"({' && '.join(parts)})"

    def _bool(self, node: ast.BoolOp) -> str:
        if any(self.kind(value) != "bool" for value in node.values):
            raise UntranslatableError(f"{ast.unparse(node)!r}: 'and' and 'or' only between conditions")
        return f"({(' && ' if isinstance(node.op, ast.And) else ' || ').join(map(self.text, node.values))})"

    def _unary(self, node: ast.UnaryOp) -> str:
        if isinstance(node.op, ast.Not):
            return f"(!{self.condition(node.operand)})"
        if isinstance(node.op, ast.USub):
            return f"(-{self._as(node.operand, self.kind(node))})"
        if isinstance(node.op, ast.UAdd):
            return self._as(node.operand, self.kind(node))
        raise UntranslatableError(f"{ast.unparse(node)!r}")

    def _choice(self, node: ast.IfExp) -> str:
        kind = self.kind(node)
        return f"({self.condition(node.test)} ? {self._as(node.body, kind)} : {self._as(node.orelse, kind)})"

    def _binary(self, node: ast.BinOp) -> str:
        kind = self.kind(node)
        left, right = self._as(node.left, kind), self._as(node.right, kind)
        if isinstance(node.op, ast.Div):
            return f"({left} / {right})"
        if isinstance(node.op, ast.Pow):
            return f"std::pow({left}, {right})"
        if type(node.op) in _PYTHONIC:
            return f"{_PYTHONIC[type(node.op)]}({left}, {right})"
        if type(node.op) not in _SYMBOLS:
            raise UntranslatableError(f"{ast.unparse(node)!r}")
        return f"({left} {_SYMBOLS[type(node.op)]} {right})"

    def _call(self, node: ast.Call) -> str:
        name = _called(node)
        if name in ("int", "float"):
            return f"(({self.kind(node)})({self.text(node.args[0])}))"
        if name == "bool":
            return self.condition(node.args[0])
        if name == "len":
            return f"{self._length_of(node)}LL"
        kind = self.kind(node)
        if name == "abs":
            return f"std::abs({self._as(node.args[0], kind)})"
        if name in ("min", "max"):
            return self._extreme(node, name, kind)
        arguments = ", ".join(self._as(argument, "double") for argument in node.args)
        short = name.removeprefix("math.")
        if short in _TO_INTEGER:
            return f"((int64_t){_TO_INTEGER[short]}({arguments}))"
        return f"{_TESTS.get(short, 'std::' + short)}({arguments})"

    def _length_of(self, node: ast.Call) -> int:
        array = ast.unparse(node.args[0])
        if array not in self.lengths:
            raise UntranslatableError(f"{ast.unparse(node)!r}")
        return self.lengths[array]

    def _extreme(self, node: ast.Call, name: str, kind: str) -> str:
        texts = [self._as(argument, kind) for argument in node.args]
        result = texts[0]
        for text in texts[1:]:
            result = f"py_{name}<{kind}>({result}, {text})"
        return result

    def _attribute(self, node: ast.Attribute) -> str:
        name = ast.unparse(node)
        if name == "math.inf":
            return "INFINITY"
        if name == "math.nan":
            return "NAN"
        if not name.startswith("math.") or name.removeprefix("math.") not in _CONSTANTS:
            raise UntranslatableError(f"{name!r}")
        return repr(_CONSTANTS[name.removeprefix("math.")])


_CALLS = ("int", "float", "bool", "abs", "min", "max", "len")


def _called(node: ast.Call) -> str:
    """Return the name of the function called; `UntranslatableError` if it is none that has a translation."""
    name = ast.unparse(node.func)
    short = name.removeprefix("math.")
    known = short in (*_MATH, *_TO_INTEGER, *_TESTS) if name != short else name in _CALLS
    if not known or node.keywords:
        raise UntranslatableError(f"the call {ast.unparse(node)!r}")
    return name
