"""Configs as text, whatever fields they have: how far two are apart, and which are next to one. Needs no GPU.

Between < and >, as dgemm-gen lists it, a text is a whole config: fields that it does not give have their default. Without
it leaves them to choose.
"""
import re

# The ring's depth follows from the block where nobody gives it, so a neighbour may differ in it as well.
_FOLLOWS = "stages"


def strip_name(config):
    """Without the attribute's name: "#dgemm.config<stages = 5>" is "<stages = 5>"."""
    return re.sub(r"^#[\w.]+(?=<)", "", config.strip())


def strip_brackets(config):
    """The fields alone: "<stages = 5>" is "stages = 5"."""
    return strip_name(config).removeprefix("<").removesuffix(">").strip()


def split_fields(config):
    """{field: [value, ...]} of "block = 128x96x128, stages = 5"; numbers as int."""
    fields = {}
    for field in strip_brackets(config).split(","):
        name, _, value = field.partition("=")
        parts = re.split(r"(?<=\d)x(?=\d)", value.strip())
        fields[name.strip()] = [int(part) if part.isdigit() else part for part in parts]
    return fields


def _find_step(left, right):
    """The one field in which two configs differ and the places in it; None if it is not one field. No place: the field is
    given in one of them alone."""
    differing = [name for name in left.keys() | right.keys() if name != _FOLLOWS and left.get(name) != right.get(name)]
    if len(differing) != 1:
        return None
    here, there = left.get(differing[0], []), right.get(differing[0], [])
    if len(here) != len(there):
        return differing[0], []
    return differing[0], [place for place, (a, b) in enumerate(zip(here, there)) if a != b]


def neighbours(config, legal):
    """Those of `legal` that differ from `config` in one field, by the next lower or next higher value of one of its
    numbers, or by being no number or not given."""
    centre = split_fields(config)
    nearest, others = {}, []
    for other in legal:
        fields = split_fields(other)
        step = _find_step(centre, fields)
        if not step or len(step[1]) > 1:
            continue
        name, places = step
        here, there = (fields_of[name][places[0]] if places else None for fields_of in (centre, fields))
        if not isinstance(here, int) or not isinstance(there, int):
            others.append(other)
            continue
        side = (name, places[0], there > here)
        if side not in nearest or abs(there - here) < nearest[side][0]:
            nearest[side] = (abs(there - here), other)
    return [other for _, other in nearest.values()] + others


def vary_tile_order(config):
    """Variants of a whole config in the order of its tiles and K blocks alone, which lists of configs do not vary: other
    group_m, and even_waves and serpentine_k turned on or off."""
    varied = [re.sub(r"group_m = \d+", f"group_m = {rows}", config) for rows in (1, 2, 4, 8, 16, 32)]
    # With what the attribute prints behind them.
    for flag, rest in [("even_waves", "(, early_store = true)?(, serpentine_k = true)?"), ("serpentine_k", "")]:
        text = f", {flag} = true"
        varied.append(config.replace(text, "") if text in config else re.sub(f"({rest}>)$", rf"{text}\1", config))
    return [other for other in varied if other != config]
