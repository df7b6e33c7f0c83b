"""The generators by name, and the network of a configuration: X2CT-GAN's of the paper, and the compact one."""

from collections.abc import Mapping
from typing import Any

from XrayToCTLib.compact_generator import ARCHITECTURE, COMPACT_GENERATORS, CompactConfig, CompactGenerator
from XrayToCTLib.consistency import ConsistentGenerator
from XrayToCTLib.generator import X2CT_GENERATORS, Generator, GeneratorConfig
from XrayToCTLib.projection import Geometry

AnyConfig = GeneratorConfig | CompactConfig
AnyGenerator = Generator | CompactGenerator
ReadyGenerator = AnyGenerator | ConsistentGenerator
"""A network as it is used: alone, or with steps of consistency after it."""

GENERATORS: dict[str, AnyConfig] = {**X2CT_GENERATORS, **COMPACT_GENERATORS}


def build_generator(config: AnyConfig) -> AnyGenerator:
    """The untrained network of a configuration."""
    return CompactGenerator(config) if isinstance(config, CompactConfig) else Generator(config)


def config_type(values: Mapping[str, Any]) -> type[AnyConfig]:
    """Which configuration the JSON object in a model file is meant to be."""
    return CompactConfig if values.get("architecture") == ARCHITECTURE else GeneratorConfig


def with_consistency(network: AnyGenerator, geometry: Geometry | None, steps: int) -> ReadyGenerator:
    """The network with ``steps`` of consistency with radiographs of this geometry; alone where either is missing."""
    return ConsistentGenerator(network, geometry, steps) if steps and geometry else network


def of_geometry(generator: ReadyGenerator, geometry: Geometry) -> ReadyGenerator:
    """The same generator for a radiograph of another geometry; its network takes none."""
    if isinstance(generator, ConsistentGenerator):
        return ConsistentGenerator(generator.network, geometry, generator.steps)
    return generator


def network_of(generator: ReadyGenerator) -> AnyGenerator:
    """The network alone."""
    return generator.network if isinstance(generator, ConsistentGenerator) else generator
