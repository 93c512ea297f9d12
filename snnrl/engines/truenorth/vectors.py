"""Eight neurons at a time: the vector operations of the bit-packed kernels, as LLVM instructions.

A neuron's ternary weights are two masks over its inputs x, plus and minus. Because no input is in both,

    sum = popcount(x & plus) - popcount(x & minus) = popcount((x & plus) | (~x & minus)) - popcount(minus),

one population count per 64 inputs; the last term goes into the threshold. Numba has no vector types, so these
functions build vectors of eight 64-bit integers directly; LLVM lowers them to what the processor has
(AVX-512: one ``vpternlogq`` and one ``vpopcntq`` for 512 weights).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LANES = 8
_I8, _I64 = ir.IntType(8), ir.IntType(64)
_V64, _V8 = ir.VectorType(_I64, LANES), ir.VectorType(_I8, 64)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, to: Any) -> Any:
    """Return a pointer to element ``index`` of a contiguous array, as a pointer to ``to``."""
    data = make_array(kind)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), to.as_pointer())


def _load(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Load eight 64-bit integers from ``index`` on."""
    return builder.load(_pointer(context, builder, kind, array, index, _V64), align=8)


def _splat(builder: Any, value: Any, kind: Any) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)


def _hits(builder: Any, x: Any, plus: Any, minus: Any) -> Any:
    """Return popcount((x & plus) | (~x & minus)), lane by lane."""
    flipped = builder.xor(x, ir.Constant(_V64, [-1] * LANES))
    chosen = builder.or_(builder.and_(x, plus), builder.and_(flipped, minus))
    # By its full name: llvmlite's own ctpop takes no vectors.
    count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_V64, [_V64]), "llvm.ctpop.v8i64")
    return builder.call(count, [chosen])


def _mask(builder: Any, counts: Any, thresholds: Any) -> Any:
    return builder.bitcast(builder.icmp_signed(">=", counts, thresholds), _I8)


@intrinsic  # type: ignore[untyped-decorator]
def fire8(typing: Any, x: Any, at: Any, plus: Any, minus: Any, block: Any, step: Any, words: Any, thresholds: Any, lane: Any) -> Any:  # fmt: skip
    """Return the spikes of eight neurons as the bits of a byte.

    Word w of neuron i stands at ``x[w * step + at + i]`` (its inputs) and ``plus, minus[block + w * step + at
    + i]``; its threshold at ``thresholds[lane + i]``.
    """
    signature = types.uint8(x, at, plus, minus, block, step, words, thresholds, lane)

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        x_, at_, plus_, minus_, block_, step_, words_, thresholds_, lane_ = arguments
        kinds = sig.args
        total = cgutils.alloca_once_value(builder, ir.Constant(_V64, [0] * LANES))
        with cgutils.for_range(builder, words_) as loop:
            inputs = builder.add(builder.mul(loop.index, step_), at_)
            weights = builder.add(inputs, block_)
            hits = _hits(
                builder,
                _load(context, builder, kinds[0], x_, inputs),
                _load(context, builder, kinds[2], plus_, weights),
                _load(context, builder, kinds[3], minus_, weights),
            )
            builder.store(builder.add(builder.load(total), hits), total)
        return _mask(builder, builder.load(total), _load(context, builder, kinds[7], thresholds_, lane_))

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def fire8_planes(typing: Any, x: Any, planes: Any, sign: Any, words: Any, plus: Any, minus: Any, block: Any, step: Any, thresholds: Any, lane: Any) -> Any:  # fmt: skip
    """Return the spikes of eight neurons that read the same whole numbers, as the bits of a byte.

    The numbers are bit planes, the highest first: word w of plane p at ``x[p * words + w]``. ``sign`` is -1
    if the highest plane is the sign of a two's complement, else 1. Weights and thresholds as in `fire8`.
    """
    signature = types.uint8(x, planes, sign, words, plus, minus, block, step, thresholds, lane)

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        x_, planes_, sign_, words_, plus_, minus_, block_, step_, thresholds_, lane_ = arguments
        kinds = sig.args
        zero = ir.Constant(_V64, [0] * LANES)
        total = cgutils.alloca_once_value(builder, zero)
        with cgutils.for_range(builder, planes_) as plane:
            hits = cgutils.alloca_once_value(builder, zero)
            builder.store(zero, hits)
            with cgutils.for_range(builder, words_) as word:
                weights = builder.add(builder.mul(word.index, step_), block_)
                where = builder.add(builder.mul(plane.index, words_), word.index)
                shared = builder.load(_pointer(context, builder, kinds[0], x_, where, _I64), align=8)
                found = _hits(
                    builder,
                    _splat(builder, shared, _V64),
                    _load(context, builder, kinds[4], plus_, weights),
                    _load(context, builder, kinds[5], minus_, weights),
                )
                builder.store(builder.add(builder.load(hits), found), hits)
            first = builder.icmp_signed("==", plane.index, ir.Constant(plane.index.type, 0))
            factor = builder.select(first, sign_, ir.Constant(_I64, 1))
            signed = builder.mul(builder.load(hits), _splat(builder, factor, _V64))
            doubled = builder.shl(builder.load(total), ir.Constant(_V64, [1] * LANES))
            builder.store(builder.add(doubled, signed), total)
        return _mask(builder, builder.load(total), _load(context, builder, kinds[8], thresholds_, lane_))

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def bit_plane(typing: Any, values: Any, index: Any, bit: Any) -> Any:
    """Return one bit of 64 bytes from ``index`` on as a word; ``bit`` is a uint8 with that bit set."""
    signature = types.uint64(values, index, bit)

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        values_, index_, bit_ = arguments
        loaded = builder.load(_pointer(context, builder, sig.args[0], values_, index_, _V8), align=1)
        chosen = builder.and_(loaded, _splat(builder, bit_, _V8))
        return builder.bitcast(builder.icmp_unsigned("!=", chosen, ir.Constant(_V8, [0] * 64)), _I64)

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def copy8(typing: Any, target: Any, to: Any, source: Any, start: Any) -> Any:
    """Copy eight bytes between byte arrays; neither has to be aligned."""
    signature = types.void(target, to, source, start)

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        target_, to_, source_, start_ = arguments
        kinds = sig.args
        loaded = builder.load(_pointer(context, builder, kinds[2], source_, start_, _I64), align=1)
        builder.store(loaded, _pointer(context, builder, kinds[0], target_, to_, _I64), align=1)
        return context.get_dummy_value()

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def word_of(typing: Any, values: Any, index: Any) -> Any:
    """Return eight bytes from ``index`` on as one word, the first byte lowest."""
    signature = types.uint64(values, index)

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        values_, index_ = arguments
        return builder.load(_pointer(context, builder, sig.args[0], values_, index_, _I64), align=1)

    return signature, build


@intrinsic  # type: ignore[untyped-decorator]
def popcount(typing: Any, value: Any) -> Any:
    """Return the number of ones in an unsigned whole number, of its own type."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return value(value), build
