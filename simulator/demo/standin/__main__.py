"""`python -m simulator.demo.standin`: run the stand-in staging until interrupted."""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterable

import click

from simulator.demo.standin import COMPONENTS, running
from simulator.demo.standin.server import SERVICES


@click.command()
@click.option("--missing", multiple=True, type=click.Choice(COMPONENTS), help="Component to take away.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--backend-port", default=0, help="0, the default, is any free port.")
@click.option("--auth-port", default=0)
@click.option("--frontend-port", default=0)
@click.option("--backend-public-url", help="What service discovery says instead of the listening URL.")
@click.option("--auth-public-url")
@click.option("--frontend-public-url")
@click.option("--scale", default=1.0, show_default=True, help="Factor on every delay.")
@click.option("--seed", type=int, help="Make the minted ids repeatable.")
@click.option("--verbose", is_flag=True, help="Log what the components do.")
def main(
    missing: tuple[str, ...],
    host: str,
    scale: float,
    seed: int | None,
    verbose: bool,
    **by_service: str | int | None,
) -> None:
    """Serve a small staging: backend, auth and frontend, each on a port of its own."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(message)s")
    # It warns of every client that brings its token as a subprotocol, which is what clients of staging do.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    ports = {name: int(by_service[f"{name}_port"] or 0) for name in SERVICES}
    named = {name: by_service[f"{name}_public_url"] for name in SERVICES}
    public_urls = {name: str(url) for name, url in named.items() if url}
    try:
        asyncio.run(_serve(missing, host, scale, seed, ports, public_urls))
    except (OSError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


async def _serve(
    missing: Iterable[str],
    host: str,
    scale: float,
    seed: int | None,
    ports: dict[str, int],
    public_urls: dict[str, str],
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with running(None, missing, scale, host, ports=ports, public_urls=public_urls, seed=seed) as standin:
        click.echo(f"backend listening on {standin.backend_url}")
        click.echo(f"auth listening on {standin.auth_url}")
        click.echo(f"frontend listening on {standin.frontend_url}")
        await ended.wait()


if __name__ == "__main__":
    main()
