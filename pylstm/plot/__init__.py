"""Pictures of states, gates and weights. They need matplotlib: the extra ``plot``.

Every value is one cell of a heat map, red above zero, blue below, white at zero; sigmoid gates,
which lie between 0 and 1, have a scale of their own. matplotlib is imported when the first picture
is drawn.
"""

from .gates import plot_gates
from .states import plot_states
from .weights import plot_weights

__all__ = ["plot_gates", "plot_states", "plot_weights"]

# Where users find them: pickles name that place, wherever the file lies.
plot_gates.__module__ = plot_states.__module__ = plot_weights.__module__ = __name__


def __dir__() -> list[str]:
    return sorted(__all__)
