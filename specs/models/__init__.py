"""The nouns of the language in canonical form, one file per noun. Made by `specs.load`, read by everything else."""

from specs.models.build import Build
from specs.models.deploy import Deploy
from specs.models.files import Config, FileReference, Secret
from specs.models.health import Healthcheck, Hook
from specs.models.image import Debian, DebianFile, Image
from specs.models.network import Ipam, IpamPool, Network, NetworkAttachment
from specs.models.project import LanguageModel, Project
from specs.models.service import Dependency, Port, Service
from specs.models.volume import Mount, Volume

__all__ = [
    "Build",
    "Config",
    "Debian",
    "DebianFile",
    "Dependency",
    "Deploy",
    "FileReference",
    "Healthcheck",
    "Hook",
    "Image",
    "Ipam",
    "IpamPool",
    "LanguageModel",
    "Mount",
    "Network",
    "NetworkAttachment",
    "Port",
    "Project",
    "Secret",
    "Service",
    "Volume",
]
