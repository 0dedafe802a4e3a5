"""LSTM and GRU of ONNX by torch's own: other orders of the gates, one direction after the other."""

from __future__ import annotations

import torch

from bartizan.assess.targets.operators import Inputs, Node, Operator, Tensor

# Where torch's gates stand in ONNX's order: input, forget, cell, output of i o f c; reset, update, new of z r h.
LSTM_GATES, GRU_GATES = (0, 2, 3, 1), (1, 0, 2)


def _ordered(value: Tensor, gates: tuple[int, ...], hidden: int) -> Tensor:
    return torch.cat([value[gate * hidden : (gate + 1) * hidden] for gate in gates])


def _run(node: Node, x: Inputs, gates: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Rows (steps, n, inputs); all steps' outputs (steps, directions, n, hidden), then the last state."""
    rows, weight, recurrent, bias, lengths, first, cell, peep = [*x, *[None] * 8][:8]
    hidden, direction = node.get("hidden_size"), node.get("direction", b"forward")
    if lengths is not None or peep is not None or node.get("activations") or node.get("clip"):
        raise ValueError("a recurrent layer of an unusual kind")
    if gates is GRU_GATES and not node.get("linear_before_reset", 0):
        raise ValueError("a GRU that resets before the product")
    if direction in (b"reverse", "reverse") or node.get("layout", 0):
        raise ValueError("a recurrent layer of an unusual order")
    directions, n = weight.shape[0], rows.shape[1]
    zeros = rows.new_zeros(directions, n, hidden)
    parameters: list[Tensor] = []
    for at in range(directions):
        halves = rows.new_zeros(2 * len(gates) * hidden) if bias is None else bias[at]
        parameters += [_ordered(one, gates, hidden) for one in (weight[at], recurrent[at], *halves.chunk(2))]
    start = zeros if first is None else first.to(rows.dtype)
    if gates is LSTM_GATES:
        begin = (start, zeros if cell is None else cell.to(rows.dtype))
        out, *last = torch.lstm(rows, begin, parameters, True, 1, 0.0, False, directions == 2, False)
    else:
        out, *last = torch.gru(rows, start, parameters, True, 1, 0.0, False, directions == 2, False)
    return (out.reshape(len(rows), n, directions, hidden).transpose(1, 2), *last)


RECURRENT: dict[str, Operator] = {
    "LSTM": lambda node, x: _run(node, x, LSTM_GATES),
    "GRU": lambda node, x: _run(node, x, GRU_GATES),
}
