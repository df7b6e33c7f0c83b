"""The generators by name, and the network of a configuration: X2CT-GAN's of the paper, and the compact one."""

from collections.abc import Mapping
from typing import Any

from XrayToCTLib.compact_generator import ARCHITECTURE, COMPACT_GENERATORS, CompactConfig, CompactGenerator
from XrayToCTLib.finished_generator import FinishedGenerator
from XrayToCTLib.generator import X2CT_GENERATORS, Generator, GeneratorConfig
from XrayToCTLib.projection import Geometry

AnyConfig = GeneratorConfig | CompactConfig
AnyGenerator = Generator | CompactGenerator
ReadyGenerator = AnyGenerator | FinishedGenerator
"""A network as it is used: alone, or with what is done to its volumes afterwards."""

GENERATORS: dict[str, AnyConfig] = {**X2CT_GENERATORS, **COMPACT_GENERATORS}


def build_generator(config: AnyConfig) -> AnyGenerator:
    """The untrained network of a configuration."""
    return CompactGenerator(config) if isinstance(config, CompactConfig) else Generator(config)


def config_type(values: Mapping[str, Any]) -> type[AnyConfig]:
    """Which configuration the JSON object in a model file is meant to be."""
    return CompactConfig if values.get("architecture") == ARCHITECTURE else GeneratorConfig


def with_finishing(
    network: AnyGenerator, geometry: Geometry | None, clear_air: bool, consistency: int
) -> ReadyGenerator:
    """The network with :func:`finished_generator.finished` behind it; alone where nothing is to do."""
    if geometry is None or not (clear_air or consistency):
        return network
    return FinishedGenerator(network, geometry, clear_air, consistency)


def of_geometry(generator: ReadyGenerator, geometry: Geometry) -> ReadyGenerator:
    """The same generator for a radiograph of another geometry; its network takes none."""
    if isinstance(generator, FinishedGenerator):
        return FinishedGenerator(generator.network, geometry, generator.clear_air, generator.consistency)
    return generator


def network_of(generator: ReadyGenerator) -> AnyGenerator:
    """The network alone."""
    return generator.network if isinstance(generator, FinishedGenerator) else generator
