"""Makes our model known to Hugging Face's Auto classes, here and, as a plugin, in vLLM's processes."""


def register() -> None:
    """Register BailingMoeConfig and BailingMoeForCausalLM with AutoConfig and AutoModelForCausalLM; idempotent.

    vLLM's own BailingMoeForCausalLM stays in charge of inference: vLLM looks architectures up in its own registry,
    and needs from here only a class for the model type `bailing_moe`.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    from ringexp.models.bailing_config import BailingMoeConfig
    from ringexp.models.bailing_moe import BailingMoeForCausalLM

    AutoConfig.register(BailingMoeConfig.model_type, BailingMoeConfig, exist_ok=True)
    AutoModelForCausalLM.register(BailingMoeConfig, BailingMoeForCausalLM, exist_ok=True)
