"""Why the compiler chose a config, as text and in a notebook."""

from __future__ import annotations

import html

from . import _device, _dgemm
from ._errors import CompileError
from ._problem import Problem


class Explanation(str):
    """What `Kernel.explain` returns: the text; a notebook shows it as tables.

    Attributes:
        summary: the predicted time of the config on the machine, what bounds it, and the best other config.
        configs: the requested number of legal configs, the best by the cost model first.
        rank: the rank of the kernel's own config among all legal ones, from 1 on; None if it is not legal for this M.
    """

    summary: str
    configs: list[str]
    rank: int | None
    config: str

    def _repr_html_(self) -> str:
        rows = [f"<tr{' style=font-weight:bold' if config == self.config else ''}><td>{index}</td>"
                f"<td style=text-align:left><code>{html.escape(config)}</code></td></tr>"
                for index, config in enumerate(self.configs, 1)]
        if self.config not in self.configs:
            rows.append(f"<tr style=font-weight:bold><td>{self.rank or '?'}</td><td style=text-align:left>"
                        f"<code>{html.escape(self.config)}</code></td></tr>")
        return (f"<pre>{html.escape(self.summary)}</pre><table><thead><tr><th></th><th style=text-align:left>config</th></tr></thead>"
                f"<tbody>{''.join(rows)}</tbody></table>")


def explain(problem: Problem, config: str, m: int, count: int, machine: str | None = None,
            multiprocessors: int = 0) -> Explanation:
    """Explains `config` for `m` rows. ValueError for an unknown machine; CompileError if the config is not legal there."""
    masked = problem.layout == "masked"
    shape = problem.shape(None if masked else m, m if masked else 0)
    machine = machine or _device.machine(_device.current())
    options = _dgemm.Options(machine=machine, multiprocessors=multiprocessors)
    given = _dgemm.Options(config=config, machine=machine, multiprocessors=multiprocessors)
    try:
        summary = _dgemm.explain(shape, given).rstrip()
        configs = _dgemm.list_configs(shape, options)
    except RuntimeError as error:
        raise CompileError(str(error)) from None
    rank = configs.index(config) + 1 if config in configs else None
    lines = [summary, f"{problem.describe()}: {len(configs)} legal configs, in the order of the cost model for M={m}"]
    lines += [f"{'*' if each == config else ' '} {index:4d}  {each}" for index, each in enumerate(configs[:count], 1)]
    if rank is None or rank > count:
        lines.append(f"* {rank if rank else '?':>4}  {config}")
    result = Explanation("\n".join(lines))
    result.summary, result.configs, result.rank, result.config = summary, configs[:count], rank, config
    return result
