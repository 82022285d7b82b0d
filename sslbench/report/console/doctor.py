"""Check the environment before a long run: versions, device, disk, plugins and data."""

from __future__ import annotations

from sslbench import environment
from sslbench.api.errors import DataBroken, DataMissing, RequestError
from sslbench.catalog.facts import Catalog
from sslbench.config.choices import Choice
from sslbench.config.datasets import DatasetCache
from sslbench.config.sizes import DEFAULT_VIEW, LARGEST_CANVAS
from sslbench.data.prepare import prepared_bytes

MIN_FREE_DISK = 5 * 2**30


def doctor_lines(catalog: Catalog) -> tuple[list[str], bool]:
    """Return one line per finding, and whether no problem was found."""
    places = environment.places()
    free = environment.free_disk(places.data)
    serious = [p for p in catalog.problems if p.kind != "advice"]
    lines = [f"versions: {', '.join(f'{n} {v}' for n, v in environment.versions().items())}"]
    lines.append(
        f"device: {environment.device_kind()}, {environment.count_cores()} cores, {environment.best_precision()}"
    )
    enough = free >= MIN_FREE_DISK
    lines.append(f"disk: {free / 2**30:.1f} GiB free for {places.data}{'' if enough else '. Free at least 5 GiB'}")
    lines.append(f"plugins: {len(catalog.problems)} problem(s)")
    lines += [f"  {problem.kind}: {problem}" for problem in catalog.problems]
    for component in catalog.all("dataset"):
        choice = Choice(component=component, config=component.spec.config(), requested_name=component.name)
        lines.append(f"data: {component.name}: {_state(choice, free)}")
    return lines, enough and not serious


def _state(choice: Choice, free: int) -> str:
    found: list[str] = []
    cache = DatasetCache(environment.places())
    for part in choice.spec.parts(choice.config):
        try:
            dataset = cache.open(choice, part, fetch=False)
        except (DataMissing, DataBroken) as error:
            if not found:
                return f"missing ({error})"
        except RequestError as error:  # some datasets cannot be opened with the default settings
            return f"needs settings ({'; '.join(error.problems)})"
        else:
            size = prepared_bytes(dataset, min(2 * DEFAULT_VIEW, LARGEST_CANVAS)) / 2**30
            count = f"{len(dataset.labels):,} samples{f' in {part}' if part else ''}"
            found.append(
                f"{count} ({size:.2f} GiB once prepared{', more than is free' if size * 2**30 > free else ''})"
            )
    return ", ".join(found)
