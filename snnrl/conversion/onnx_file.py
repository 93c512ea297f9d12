"""ONNX files as `DenseNetwork`: the graph is walked backwards from its outputs; nothing is executed.

Fully connected layers (Gemm, MatMul with Add), Conv, Relu, Tanh and Flatten are layers; a division or multiplication of the
input by a constant is the observation's scale. Data outside the file is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from snnrl.errors import InvalidValueError
from snnrl.networks.dense import Activation, Conv2d, DenseNetwork, Flatten, Layer, Linear, Shape

if TYPE_CHECKING:
    from snnrl.conversion.sources import Hints

LAYERS = "Gemm, MatMul, Add of a bias, Conv, Relu, Tanh, Flatten: nothing else has a spiking equivalent"
_SILENT = ("Identity", "Cast", "Dropout")
"""Nodes that do nothing to the numbers of a trained network."""
_LAST = ("Squeeze", "Gather")
"""Nodes that may follow a value, to drop its dimension of one."""


def from_onnx(content: bytes, name: str, hints: Hints) -> DenseNetwork:
    """Return the network of an ONNX model.

    Of two outputs the one with a single number is the value; one output is the policy.

    Parameters
    ----------
    content
        The file.
    name
        Its path, for messages.
    hints
        What the file leaves open.

    Raises
    ------
    InvalidValueError
        If the file is damaged, refers to other files, or has a node without a counterpart; the node is named.
    """
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own errors share no base with Python's
        allowed = f"an ONNX model ({type(error).__name__})"
        raise InvalidValueError("ONNX file", name, allowed) from error
    graph = _Graph(model.graph, name)
    shape = hints.observation_shape or graph.input_shape()
    chains = [graph.chain(output.name) for output in model.graph.output]
    scale: Any = hints.observation_scale if hints.observation_scale is not None else graph.scale
    policy, value = _heads(chains, shape, name)
    return DenseNetwork(shape, policy, value, scale)


def _heads(
    chains: list[tuple[Layer, ...]], shape: Shape, name: str
) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """Return the chains of policy and value."""
    if len(chains) == 1:
        return chains[0], ()
    sizes = [_outputs(chain, shape) for chain in chains]
    if len(chains) != 2 or (sizes[0] == 1) == (sizes[1] == 1):
        allowed = "one, the policy; or two, of which one is a single number, the value"
        raise InvalidValueError(f"outputs of {name}", sizes, allowed)
    return (chains[1], chains[0]) if sizes[0] == 1 else (chains[0], chains[1])


def _outputs(chain: tuple[Layer, ...], shape: Shape) -> int:
    for layer in chain:
        shape = layer.output_shape(shape)
    return int(np.prod(shape))


class _Graph:
    """A graph, its constants, and the layers found so far: one object per node, so that a shared trunk is shared."""

    def __init__(self, graph: onnx.GraphProto, name: str) -> None:
        self.graph, self.name = graph, name
        self.constants = {tensor.name: self._array(tensor) for tensor in graph.initializer}
        self.producers = {output: node for node in graph.node for output in node.output}
        self.layers: dict[str, Layer] = {}
        self.scale: NDArray[Any] | None = None
        inputs = [each for each in graph.input if each.name not in self.constants]
        if len(inputs) != 1:
            raise InvalidValueError(
                f"inputs of {name}", [each.name for each in inputs], "one, the observation"
            )
        self.input = inputs[0]

    def _array(self, tensor: onnx.TensorProto) -> NDArray[Any]:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            allowed = "numbers inside the file: other files are not read"
            raise InvalidValueError(f"tensor of {self.name}", tensor.name, allowed)
        try:
            return np.asarray(numpy_helper.to_array(tensor))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidValueError(f"tensor of {self.name}", tensor.name, f"numbers ({error})") from error

    def input_shape(self) -> Shape:
        """Return the shape of one observation: that of the input without the batch."""
        sizes = [dim.dim_value for dim in self.input.type.tensor_type.shape.dim][1:]
        if not sizes or min(sizes) < 1:
            allowed = "[batch, sizes], or observation_shape beside the file"
            raise InvalidValueError(f"shape of input {self.input.name!r} of {self.name}", sizes, allowed)
        return tuple(int(size) for size in sizes)

    def chain(self, output: str) -> tuple[Layer, ...]:
        """Return the layers from the observation to a tensor."""
        layers: list[Layer] = []
        last = True
        while output != self.input.name:
            node = self.producers.get(output)
            if node is None:
                raise InvalidValueError(f"tensor of {self.name}", output, "the output of a node")
            if last and node.op_type in _LAST:
                output = node.input[0]
                continue
            last = False
            output, layer = self._step(node)
            layers += [] if layer is None else [layer]
            if len(layers) > len(self.graph.node):
                raise InvalidValueError("ONNX file", self.name, "a graph without circles")
        return tuple(reversed(layers))

    def _step(self, node: onnx.NodeProto) -> tuple[str, Layer | None]:
        """Return the tensor before a node, and the node's layer."""
        if node.op_type in _SILENT:
            return node.input[0], None
        if node.op_type in ("Div", "Mul") and self._is_input(node):
            self._take_scale(node)
            return self.input.name, None
        key = node.output[0]
        before, product = self._source(node)
        if key not in self.layers:
            self.layers[key] = self._layer(node, product)
        return before, self.layers[key]

    def _source(self, node: onnx.NodeProto) -> tuple[str, onnx.NodeProto | None]:
        """Return the tensor that a node's layer is applied to, and the MatMul under an Add."""
        if node.op_type != "Add":
            if not node.input:
                raise self._unknown(node)
            return node.input[0], None
        for tensor in node.input:
            product = self.producers.get(tensor)
            if product is not None and product.op_type == "MatMul":
                return product.input[0], product
        raise self._unknown(node)

    def _layer(self, node: onnx.NodeProto, product: onnx.NodeProto | None) -> Layer:
        kind = node.op_type
        if product is not None:
            bias = next((tensor for tensor in node.input if tensor not in product.output), "")
            return self._linear(self._constant(product, 1).T, self._named(node, bias))
        if kind == "MatMul":
            weight = self._constant(node, 1)
            return self._linear(weight.T, np.zeros(weight.shape[-1:]))
        if kind == "Gemm":
            return self._gemm(node)
        if kind == "Conv":
            return self._convolution(node)
        if kind in ("Relu", "Tanh"):
            return Activation(kind.lower())
        if kind == "Flatten" and self._attributes(node).get("axis", 1) == 1:
            return Flatten()
        if kind == "Reshape" and self._keeps_batch(node):
            return Flatten()
        raise self._unknown(node)

    def _linear(self, weight: NDArray[Any], bias: NDArray[Any]) -> Linear:
        return Linear(weight, np.broadcast_to(bias, weight.shape[:1]) if bias.size == 1 else bias.reshape(-1))

    def _gemm(self, node: onnx.NodeProto) -> Linear:
        options = self._attributes(node)
        if options.get("transA", 0):
            raise self._unknown(node)
        weight = self._constant(node, 1)
        weight = (weight if options.get("transB", 0) else weight.T) * options.get("alpha", 1.0)
        bias = self._constant(node, 2) if len(node.input) > 2 else np.zeros(1)
        return self._linear(weight, bias * options.get("beta", 1.0))

    def _convolution(self, node: onnx.NodeProto) -> Conv2d:
        options, weight = self._attributes(node), self._constant(node, 1)
        plain: dict[str, Any] = {"group": 1, "dilations": [1, 1], "auto_pad": b"NOTSET"}
        for name, default in plain.items():
            if options.get(name, default) != default:
                raise InvalidValueError(f"{name} of {self._label(node)}", options[name], repr(default))
        stride, padding = (
            self._same(node, name, options.get(name, [d])) for name, d in (("strides", 1), ("pads", 0))
        )
        bias = self._constant(node, 2) if len(node.input) > 2 else np.zeros(len(weight))
        return Conv2d(weight, bias, stride, padding)

    def _same(self, node: onnx.NodeProto, name: str, sizes: list[int]) -> int:
        if len(set(sizes)) != 1:
            allowed = "the same whole number on all sides"
            raise InvalidValueError(f"{name} of {self._label(node)}", list(sizes), allowed)
        return int(sizes[0])

    def _keeps_batch(self, node: onnx.NodeProto) -> bool:
        """Say whether a Reshape puts each observation into one row."""
        target = self._constant(node, 1).tolist()
        return bool(len(target) == 2 and (target[1] == -1 or target[0] in (-1, 0)))

    def _is_input(self, node: onnx.NodeProto) -> bool:
        tensor = node.input[0]
        while tensor in self.producers and self.producers[tensor].op_type in _SILENT:
            tensor = self.producers[tensor].input[0]
        return bool(tensor == self.input.name)

    def _take_scale(self, node: onnx.NodeProto) -> None:
        factor = self._constant(node, 1).astype(np.float64)
        scale = (
            factor
            if node.op_type == "Div"
            else np.divide(1.0, factor, where=factor != 0, out=np.zeros_like(factor))
        )
        scale = (
            scale.reshape(()) if scale.size == 1 else scale.reshape(scale.shape[-len(self.input_shape()) :])
        )
        if self.scale is not None and not np.array_equal(self.scale, scale):
            raise InvalidValueError(f"scale of the input of {self.name}", scale, "the same for every output")
        self.scale = scale

    def _constant(self, node: onnx.NodeProto, place: int) -> NDArray[Any]:
        if len(node.input) <= place:
            raise self._unknown(node)
        return self._named(node, node.input[place])

    def _named(self, node: onnx.NodeProto, name: str) -> NDArray[Any]:
        if name in self.constants:
            return self.constants[name]
        producer = self.producers.get(name)
        if producer is not None and producer.op_type == "Constant":
            value = self._attributes(producer).get("value")
            if isinstance(value, onnx.TensorProto):
                return self._array(value)
        raise InvalidValueError(f"{name!r} of {self._label(node)}", "computed", "a constant of the file")

    def _attributes(self, node: onnx.NodeProto) -> dict[str, Any]:
        return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}

    def _label(self, node: onnx.NodeProto) -> str:
        return f"{node.op_type} {node.name!r} of {self.name}".replace(" ''", "")

    def _unknown(self, node: onnx.NodeProto) -> InvalidValueError:
        return InvalidValueError("layer", self._label(node), LAYERS)
