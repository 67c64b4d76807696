"""What a container may use: CPU, memory, block I/O, ulimits, devices, as HostConfig has them."""

from __future__ import annotations

from typing import Any

from specs.models import Service
from specs.models.limits import BlkioConfig, DeviceRequest, Ulimit


def resources(service: Service) -> dict[str, Any]:
    """The resource keys of HostConfig; `deploy.resources` wins over the short keys, as in Compose."""
    body: dict[str, Any] = {
        "CpuCount": service.cpu_count,
        "CpuPercent": service.cpu_percent,
        "CpuPeriod": service.cpu_period,
        "CpuQuota": service.cpu_quota,
        "CpuRealtimePeriod": service.cpu_rt_period,
        "CpuRealtimeRuntime": service.cpu_rt_runtime,
        "CpuShares": service.cpu_shares,
        "CpusetCpus": service.cpuset,
        "NanoCpus": nano(service.cpus),
        "Memory": service.mem_limit,
        "MemoryReservation": service.mem_reservation,
        "MemorySwap": service.memswap_limit,
        "MemorySwappiness": service.mem_swappiness,
        "OomKillDisable": service.oom_kill_disable,
        "PidsLimit": service.pids_limit,
        "DeviceCgroupRules": service.device_cgroup_rules,
        "Devices": [
            {
                "PathOnHost": d.source,
                "PathInContainer": d.target or d.source,
                "CgroupPermissions": d.permissions or "rwm",
            }
            for d in service.devices or ()
        ],
        "DeviceRequests": [device_request(d, gpu=True) for d in service.gpus or ()],
        "Ulimits": [ulimit(name, u) for name, u in sorted((service.ulimits or {}).items())],
        **block_io(service.blkio_config),
    }
    if service.deploy is not None:
        limits, reservations = service.deploy.resources.limits, service.deploy.resources.reservations
        if limits is not None:
            body["NanoCpus"] = nano(limits.cpus) or body["NanoCpus"]
            body["Memory"] = limits.memory or body["Memory"]
            body["PidsLimit"] = limits.pids or body["PidsLimit"]
        if reservations is not None:
            body["MemoryReservation"] = reservations.memory or body["MemoryReservation"]
            body["DeviceRequests"] += [device_request(d) for d in reservations.devices or ()]
    return body


def nano(cpus: float | None) -> int | None:
    return None if cpus is None else round(cpus * 1e9)


def ulimit(name: str, limit: Ulimit) -> dict[str, Any]:
    if limit.single:
        return {"Name": name, "Soft": limit.single, "Hard": limit.single}
    return {"Name": name, "Soft": limit.soft or 0, "Hard": limit.hard or 0}


def device_request(device: DeviceRequest, *, gpu: bool = False) -> dict[str, Any]:
    capabilities = device.capabilities or (["gpu"] if gpu else [])
    return {
        "Driver": device.driver or "",
        "Count": device.count or 0,
        "DeviceIDs": device.device_ids,
        "Capabilities": [[*capabilities, "gpu"] if gpu and "gpu" not in capabilities else capabilities],
        "Options": device.options,
    }


def block_io(config: BlkioConfig | None) -> dict[str, Any]:
    if config is None:
        return {}
    return {
        "BlkioWeight": config.weight,
        "BlkioWeightDevice": [{"Path": d.path, "Weight": d.weight} for d in config.weight_device or ()],
        **{
            key: [{"Path": d.path, "Rate": d.rate} for d in devices or ()]
            for key, devices in (
                ("BlkioDeviceReadBps", config.device_read_bps),
                ("BlkioDeviceReadIOps", config.device_read_iops),
                ("BlkioDeviceWriteBps", config.device_write_bps),
                ("BlkioDeviceWriteIOps", config.device_write_iops),
            )
        },
    }
