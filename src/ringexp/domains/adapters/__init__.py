"""Adapters: pure functions from one row of a published dataset to the fields of a prompt, by name.

Each says in its docstring which dataset it reads, which fields, what becomes of them and what is left out. The schemas
are those of dataset cards, papers and public code that reads the data; docs/data.md lists what could not be confirmed.
"""

from collections.abc import Mapping

from ringexp.domains.adapters.fields import Adapter, FieldError, Fields, Unusable
from ringexp.domains.adapters.functions import humaneval, mbpp
from ringexp.domains.adapters.math import aime, competition, dapo, deepscaler, gsm8k, math500
from ringexp.domains.adapters.own import records
from ringexp.domains.adapters.programs import apps, code_contests, livecodebench
from ringexp.domains.adapters.reasoning import reasoning_gym
from ringexp.domains.adapters.ring_lite import rl_code, rl_math, sft
from ringexp.domains.adapters.science import gpqa

__all__ = ["ADAPTERS", "Adapter", "FieldError", "Fields", "Unusable"]

ADAPTERS: Mapping[str, Adapter] = {
    "aime": aime,
    "apps": apps,
    "code_contests": code_contests,
    "dapo": dapo,
    "deepscaler": deepscaler,
    "gpqa": gpqa,
    "gsm8k": gsm8k,
    "humaneval": humaneval,
    "livecodebench": livecodebench,
    "math": competition,
    "math500": math500,
    "mbpp": mbpp,
    "reasoning_gym": reasoning_gym,
    "records": records,
    "ring_lite_rl_code": rl_code,
    "ring_lite_rl_math": rl_math,
    "ring_lite_sft": sft,
}
"""Adapters by name, as the configuration names them under `adapter`."""
