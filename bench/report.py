"""Medians over the rounds, as a Markdown table with each system's ratio to the floor."""

from statistics import median

_TITLES = {
    "cpu_request": ("CPU per request, µs", 0),
    "cpu_chunk": ("CPU per streamed chunk, µs", 1),
    "latency": ("added latency, one request at a time, ms", 2),
    "first_token": ("added time to first token, 32 streams, ms", 2),
    "memory_stream": ("memory per open stream, KB", 0),
    "memory_idle": ("memory of an idle worker, MB", 0),
    "cold_start": ("cold start, s", 2),
}


def table(rounds: dict[str, list[dict[str, float]]]) -> str:
    """`rounds`: for each system, the measures of each round; the first system is the one that others are compared with."""
    names = list(rounds)
    floor = names[0]
    lines = [
        _row(["median", *names, *(f"{name} ÷ {floor}" for name in names[1:])]),
        _row(["---", *["---:"] * (2 * len(names) - 1)]),
    ]
    for measure, (title, digits) in _TITLES.items():
        medians = [median(taken[measure] for taken in rounds[name]) for name in names]
        ratios = [_ratio(value, medians[0]) for value in medians[1:]]
        lines.append(_row([title, *(f"{value:,.{digits}f}" for value in medians), *ratios]))
    return "\n".join(lines)


def _ratio(value: float, floor: float) -> str:
    """No ratio to what lies within the noise around nothing."""
    return f"{value / floor:.1f}" if floor >= 0.01 else "–"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
