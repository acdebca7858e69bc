"""What notebooks show for a module."""

from __future__ import annotations

from typing import Any

from .._core import Layer, simd_level

# Plain tags: a notebook brings its own style, light or dark.
_CELL = '<td style="text-align:left">'
_HEAD = '<th style="text-align:left">'


def _escape(value: object) -> str:
    """Escape text for HTML; html.escape would be one import more for two characters."""
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;")


def _row(tag: str, *values: object) -> str:
    end = tag[:3].replace("<", "</") + ">"
    return "<tr>" + "".join(f"{tag}{_escape(value)}{end}" for value in values) + "</tr>"


def _slots(module: Any) -> list[tuple[str, str, Any]]:
    """Return the state of the tree: dotted names, dtypes, and arrays, none of them writable."""
    return [
        (f"{path}.{name}" if path else name, below._own_dtype_name(name, array), array)
        for path, below in module.named_modules()
        for name, array in below._own_slots()
    ]


def _kernels(module: Any) -> str:
    """Say with what the modules in C compute, and whether calls must compare parameters."""
    layers = [below for below in module.modules() if isinstance(below, Layer)]
    if not layers:
        return ""
    leases = sum(layer._native_leases for layer in layers)
    dtypes = ", ".join(sorted({layer._native_dtype.name for layer in layers}))
    text = f"kernels: {simd_level()}, {dtypes}; leases: {leases}"
    if leases:
        text += (
            f" ({leases} writable parameter array{'s are' if leases > 1 else ' is'} held "
            "outside: while that lasts, every call compares the parameters with what is packed)"
        )
    return f"<p>{text}</p>"


def module_table(module: Any) -> str:
    """Return a module's repr and a table of its parameters and buffers as HTML."""
    rows = _slots(module) if "_modules" in vars(module) else []
    parts = [f"<pre>{_escape(repr(module))}</pre>"]
    if rows:
        parts.append("<table><thead>")
        parts.append(_row(_HEAD, "name", "shape", "dtype", "count", "bytes"))
        parts.append("</thead><tbody>")
        for name, dtype, array in rows:
            shape = " × ".join(map(str, array.shape)) or "scalar"
            sizes = f"{array.size:,}", f"{array.nbytes:,}"
            parts.append(_row(_CELL, name, shape, dtype, *sizes))
        total = sum(array.size for *_, array in rows)
        memory = sum(array.nbytes for *_, array in rows)
        parts.append(_row(_HEAD, "total", "", "", f"{total:,}", f"{memory:,}"))
        parts.append("</tbody></table>")
        parts.append(_kernels(module))
    return "".join(parts)
