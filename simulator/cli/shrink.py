"""stagesim drill --shrink: the fewest faults that still bring a test to a verdict, as an incident file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from simulator.cli.child import end_by_signals
from simulator.core.errors import StagesimError
from simulator.files.named import rules_of
from simulator.files.redaction import Redactor
from simulator.files.redaction.notes import redacted_text
from simulator.files.yamlfile import dump_yaml
from simulator.harness.drill import Plan
from simulator.harness.reports import command_again
from simulator.harness.shrink import Shrunk, Wanted, incident, shrink
from simulator.harness.verdict import BAD, Verdict


def wanted_of(verdict: str | None, test: str | None, together: int | None) -> Wanted:
    return Wanted(
        verdicts=BAD if verdict is None else frozenset({Verdict(verdict)}), test=test or "*", together=together
    )


def shrink_and_write(plan: Plan, wanted: Wanted, out: Path | None) -> int:
    """Shrink, and write the incident to a file or to stdout; 1 if no combination gave the verdict."""
    if out is not None and out.exists():
        raise StagesimError("exists already", place=str(out), hint="give another --out")
    rules_of(plan.faults)  # two rules of one name cannot be told apart in one file
    click.echo(f"seed {plan.settings.seed}", err=True)
    found = asyncio.run(_shrunk(plan, wanted))
    if found is None:
        verdicts = " or ".join(sorted(wanted.verdicts))
        click.echo(f"stagesim: no combination made a test {verdicts}; --seed draws others", err=True)
        return 1
    text = f"# {_again(plan, out)}\n{dump_yaml(incident(plan, found))}"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
    click.echo(_told(found) + (f", in {out}" if out else ""), err=True)
    return 0


async def _shrunk(plan: Plan, wanted: Wanted) -> Shrunk | None:
    end_by_signals()
    try:
        return await shrink(plan, wanted, lambda line: click.echo(f"  {line}", err=True))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _again(plan: Plan, out: Path | None) -> str:
    """The command that shows it again, on one line of a comment."""
    line = redacted_text(command_again(plan, str(out or "FILE")), Redactor().event)
    return " ".join(line.split())


def _told(found: Shrunk) -> str:
    rules = ", ".join(rule.name for rule in found.rules)
    counted = f"{len(found.rules)} of {found.began_with} rules, after {found.runs} runs"
    return f"{found.test} is {found.judgement.verdict} under {rules}\n{counted}"
