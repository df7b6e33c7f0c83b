"""The generators by name, and the network of a configuration: X2CT-GAN's of the paper, and the compact one."""

from collections.abc import Mapping
from typing import Any

from XrayToCTLib.compact_generator import ARCHITECTURE, COMPACT_GENERATORS, CompactConfig, CompactGenerator
from XrayToCTLib.generator import X2CT_GENERATORS, Generator, GeneratorConfig

AnyConfig = GeneratorConfig | CompactConfig
AnyGenerator = Generator | CompactGenerator

GENERATORS: dict[str, AnyConfig] = {**X2CT_GENERATORS, **COMPACT_GENERATORS}


def build_generator(config: AnyConfig) -> AnyGenerator:
    """The untrained network of a configuration."""
    return CompactGenerator(config) if isinstance(config, CompactConfig) else Generator(config)


def config_type(values: Mapping[str, Any]) -> type[AnyConfig]:
    """Which configuration the JSON object in a model file is meant to be."""
    return CompactConfig if values.get("architecture") == ARCHITECTURE else GeneratorConfig
