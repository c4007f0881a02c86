"""The configuration of Ling-lite's architecture, field for field as in the released checkpoints.

Only the fields; the network is in `bailing_moe`.
"""

from typing import Any, cast

from transformers.configuration_utils import PreTrainedConfig


class BailingMoeConfig(PreTrainedConfig):  # type: ignore[misc]
    """Sizes and options of a Bailing mixture-of-experts model; the defaults are Ling-lite-1.5 (16.8 B parameters).

    `rope_theta` may be given alone and is stored in `rope_parameters`. Raises ValueError on a value that this
    implementation, or vLLM's, would silently treat as something else.
    """

    model_type = "bailing_moe"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012
    default_theta = 600_000.0

    vocab_size: int = 126_464
    hidden_size: int = 2048
    intermediate_size: int = 5632
    num_hidden_layers: int = 28
    num_attention_heads: int = 16
    num_key_value_heads: int = 4
    head_dim: int | None = 128
    num_experts: int = 64
    num_experts_per_tok: int = 6
    num_shared_experts: int = 2
    moe_intermediate_size: int = 1408
    first_k_dense_replace: int = 0
    norm_topk_prob: bool = True
    router_dtype: str = "fp32"
    rms_norm_eps: float = 1e-6
    rope_parameters: dict[str, Any] | None = None
    max_position_embeddings: int = 32_768
    tie_word_embeddings: bool = False
    use_bias: bool = False
    use_qkv_bias: bool = False
    hidden_act: str = "silu"
    initializer_range: float = 0.02
    attention_dropout: float = 0.0
    embedding_dropout: float = 0.0
    output_dropout: float = 0.0
    norm_head: bool = False
    use_cache: bool = False
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill `head_dim` and `rope_parameters`, then check every value."""
        if self.rope_parameters is not None:
            self.rope_parameters = dict(self.rope_parameters)
        if self.head_dim is None and self.num_attention_heads > 0:
            self.head_dim = self.hidden_size // self.num_attention_heads
        super().__post_init__(**kwargs)
        _check_sizes(self)
        _check_options(self)

    @property
    def num_moe_layers(self) -> int:
        """Layers that hold a router: all but the first `first_k_dense_replace`."""
        return self.num_hidden_layers - self.first_k_dense_replace

    @property
    def rotary_theta(self) -> float:
        """Base of the rotary frequencies."""
        return float((self.rope_parameters or {})["rope_theta"])

    @property
    def rotary_dim(self) -> int:
        """Width of a head; all of it is rotated."""
        return cast(int, self.head_dim)

    @property
    def shared_intermediate_size(self) -> int:
        """Width of the one MLP that stands for all shared experts."""
        return self.moe_intermediate_size * self.num_shared_experts


_SIZES = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "head_dim",
    "num_key_value_heads", "num_experts", "num_experts_per_tok", "moe_intermediate_size", "max_position_embeddings",
)  # fmt: skip


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(f"BailingMoeConfig: {message}")


def _check_sizes(config: BailingMoeConfig) -> None:
    for name in _SIZES:
        value = getattr(config, name)
        _require(isinstance(value, int) and value > 0, f"{name} must be a positive integer, not {value!r}")
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    _require(heads % groups == 0, f"num_attention_heads ({heads}) must be a multiple of num_key_value_heads ({groups})")
    _require(config.head_dim is not None and config.head_dim % 2 == 0, f"head_dim must be even, not {config.head_dim}")
    top_k, experts = config.num_experts_per_tok, config.num_experts
    _require(top_k <= experts, f"num_experts_per_tok ({top_k}) must not exceed num_experts ({experts})")
    _require(config.num_shared_experts >= 0, "num_shared_experts must be 0 or more")
    _require(0 <= config.first_k_dense_replace < config.num_hidden_layers,
             f"first_k_dense_replace ({config.first_k_dense_replace}) must leave at least one mixture-of-experts layer")


def _check_options(config: BailingMoeConfig) -> None:
    _require(not config.tie_word_embeddings, "tie_word_embeddings is not supported (vLLM's CPU backend would keep a "
             "stale LM head after a weight sync); set it to False, as Ling-lite does")
    _require(config.hidden_act == "silu", f"hidden_act must be 'silu', not {config.hidden_act!r}")
    _require(config.router_dtype == "fp32", f"router_dtype must be 'fp32', not {config.router_dtype!r}")
    _require(not config.norm_head, "norm_head is not supported; set it to False")
    for name in ("attention_dropout", "embedding_dropout", "output_dropout"):
        _require(getattr(config, name) == 0, f"{name} must be 0 (the policy's log-probabilities must be exact)")
    rope = config.rope_parameters or {}
    _require(rope.get("rope_type", "default") == "default", f"rope_type {rope.get('rope_type')!r} is not supported")
    _require(rope.get("partial_rotary_factor", 1.0) == 1.0, "partial_rotary_factor must be 1")
    for name in ("use_qk_norm", "moe_router_enable_expert_bias", "n_group", "topk_group"):
        _require(not getattr(config, name, None), f"{name} belongs to later Bailing models and is not supported")
    _require(getattr(config, "score_function", None) in (None, "softmax"), "score_function must be 'softmax'")
    _require(getattr(config, "routed_scaling_factor", 1.0) == 1.0, "routed_scaling_factor must be 1")
